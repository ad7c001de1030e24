"""The training loop: steps, validation, early stopping, checkpoints."""

import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from statistics import fmean
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from pipeline.console import Advance, InputError, progress
from pipeline.data.batch import Batch
from pipeline.data.manifest import Manifest
from pipeline.diagnostics.collapse import spectrum_of
from pipeline.distributed.batch_statistics import average_batch_statistics
from pipeline.distributed.runtime import Runtime
from pipeline.model.click_task import Prediction
from pipeline.spec import Spec
from pipeline.training.checkpoints.directories import clear_unfinished, whole_checkpoints
from pipeline.training.checkpoints.loading import load_newest, replaced_best
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.checkpoints.saver import CheckpointSaver
from pipeline.training.checkpoints.state import tensors_to_load, tensors_to_save
from pipeline.training.checkpoints.stored_tensor import StoredTensor
from pipeline.training.collapse_log import CollapseLog
from pipeline.training.collapse_probe import probe_grams
from pipeline.training.divergence import MeanLosses, Position, RecentLosses, all_finite
from pipeline.training.early_stopping import EarlyStopping
from pipeline.training.journal import Journal
from pipeline.training.prediction import check_finite
from pipeline.training.run_directory import UPDATES, RunDirectory, hyperparameters, identity_of
from pipeline.training.setup import Training, scoring_loader, training_loader
from pipeline.training.step_log import StepLog
from pipeline.training.step_phases import what_limits
from pipeline.training.step_profiler import CountStep, profiled
from pipeline.training.validation import validate
from pipeline.training.warm_start import warm_start


class Trainer:
    """Trains to the end from wherever the run directory's last checkpoint stands. Collective.

    Each step's random numbers come from a seed of its own, (run seed, step, rank), so that a
    resumed training draws what an unbroken one draws.
    """

    def __init__(
        self,
        spec: Spec,
        manifest: Manifest,
        runtime: Runtime,
        training: Training,
        directory: RunDirectory,
    ) -> None:
        self._spec, self._runtime, self._training = spec, runtime, training
        self._directory = directory
        self._module = training.model.module
        self._loader = training_loader(spec, manifest, runtime)
        self._valid_loader = scoring_loader(spec, manifest, runtime, "valid")
        updates = {UPDATES: training.optimizers.semantics}
        identity = identity_of(spec, manifest) | updates
        self._progress = self._resume(identity, manifest)
        self._saver = CheckpointSaver(directory, identity, spec.train.keep_checkpoints, runtime)
        self._journal = Journal(directory, self._progress) if runtime.is_main else None
        self._collapse_log = (
            CollapseLog(self._journal, directory.journal_file)
            if self._journal is not None
            else None
        )
        self._losses = RecentLosses(runtime, spec.train.max_loss)
        self._log = StepLog(spec, self._loader, training, runtime, self._journal, self._progress)

    def _resume(self, identity: dict[str, Any], manifest: Manifest) -> Progress:
        """Fills the model from the last checkpoint that is whole, if there is one."""
        if self._runtime.is_main:
            clear_unfinished(self._directory.checkpoints, self._directory.best)
        dist.barrier()
        optimizers = self._training.optimizers
        targets = partial(tensors_to_load, self._module, optimizers)
        found = load_newest(self._directory.checkpoints, targets, identity, self._runtime)
        if found is None:
            settings = self._spec.train
            if settings.warm_start:
                self._warm_start(manifest)
            return Progress(stopping=EarlyStopping(settings.monitor, settings.patience))
        checkpoint, at = found
        if replaced_best(self._directory.best, at, self._runtime):
            at.stopping.forget_best()
        self._say(f"resumes from {checkpoint}: epoch {at.epoch + 1}, step {at.step:,}")
        return at

    def _warm_start(self, manifest: Manifest) -> None:
        """Takes the embeddings of another run, and says of how many rows."""
        tables = self._training.model.tables
        found = warm_start(self._module, tables, self._spec, manifest, self._runtime)
        rows = {field.name: field.cardinality for field in manifest.fields}
        listed = ", ".join(f"{name} {known:,} of {rows[name]:,}" for name, known in found.items())
        self._say(f"starts from the embeddings of {self._spec.train.warm_start}; rows: {listed}")

    def train(self) -> dict[str, Any]:
        """Runs the epochs that are left and returns the facts of the whole training."""
        at = self._progress
        begun_at = at.step
        if self._journal is not None and at.step == 0:
            self._journal.text("spec", self._directory.spec_file.read_text())
            self._journal.text("plan", self._directory.plan_file.read_text())
        traces = self._directory.tensorboard
        with profiled(self._spec.train.profile_steps, traces, self._runtime.rank) as count_step:
            while at.epoch < self._spec.train.epochs and not at.stopping.should_stop:
                self._train_epoch(count_step)
        self._saver.settle()
        if at.step > begun_at:
            self._training.phases.means()
            self._say(what_limits(self._training.phases.totals, self._runtime.world_size))
        if self._journal is not None:
            self._journal.hyperparameters(
                hyperparameters(self._spec), {f"best/{at.stopping.metric}": at.stopping.best or 0.0}
            )
            self._journal.close()
        return {
            "steps": at.step,
            "epochs": at.epoch + (at.batch > 0),  # Stopped within one, it counts.
            "best_epoch": at.stopping.best_epoch + 1,
            "seconds": round(at.seconds, 3),
            "samples_per_second": round(at.step * self._loader.mean_rows / at.seconds, 1),
        }

    def _train_epoch(self, count_step: CountStep) -> None:
        """Steps and validations to the epoch's end, or to where early stopping ends it."""
        at = self._progress
        batches = self._training.phases.waiting(self._loader.epoch(at.epoch, start_batch=at.batch))
        while not at.stopping.should_stop:
            # The pipeline runs empty at the end of a piece: it serves the validation too.
            self._train_steps(islice(batches, self._steps_to_validation()), count_step)
            ended = at.batch == self._loader.batches_per_epoch
            epoch = at.epoch
            if ended:
                self._training.optimizers.combined.end_epoch(at.step)
                at.epoch, at.batch = at.epoch + 1, 0
            if self._is_validation_due(ended):
                self._validate(epoch, ended)
            elif ended:
                self._save()
            if ended:
                return

    def _steps_to_validation(self) -> int | None:
        """The most steps to the next validation; None leaves it to the epoch's end."""
        at, every = self._progress, self._spec.train.validate_every
        if every == 0:
            return None
        # A checkpoint of the very step that is to be validated may be what was resumed from.
        return 0 if self._is_validation_due(ended=False) else every - at.step % every

    def _is_validation_due(self, ended: bool) -> bool:
        """Whether this step's validation is still to come, at the end of an epoch or within."""
        at, settings = self._progress, self._spec.train
        if settings.validate_every == 0:
            return ended
        at_the_end = ended and at.epoch == settings.epochs
        on_time = at.step % settings.validate_every == 0
        return (on_time or at_the_end) and at.stopping.last_step < at.step

    def _train_steps(self, batches: Iterator[Batch], count_step: CountStep) -> None:
        at, optimizer = self._progress, self._training.optimizers.combined
        task = f"epoch {at.epoch + 1}"
        with progress(task, self._loader.rows, "rows", shown=self._runtime.is_main) as advance:
            advance(self._loader.rows_before(at.batch))
            while True:
                torch.manual_seed(self._step_seed())
                optimizer.begin(at.step)
                self._training.phases.begin()
                started = time.perf_counter()
                try:
                    outcome = self._training.pipeline.progress(batches)
                except StopIteration:
                    return
                self._after_step(outcome, advance, started)
                count_step()

    def _after_step(self, outcome: Prediction, advance: Advance, started: float) -> None:
        at, settings = self._progress, self._spec.train
        at.step += 1
        at.batch += 1
        self._losses.add(Position(at.step, at.epoch, at.batch - 1), outcome)
        self._log.add(outcome)
        at.seconds += time.perf_counter() - started
        note = None
        if at.step % settings.log_every == 0:
            means = self._checked_losses()
            note = self._log.point(at, means, outcome)
            self._losses.clear()
            self._saver.poll()
        rows = self._loader.rows_before(at.batch) - self._loader.rows_before(at.batch - 1)
        advance(rows, note)
        if settings.checkpoint_every and at.step % settings.checkpoint_every == 0:
            self._save()

    def _step_seed(self) -> int:
        origin = (self._spec.run.seed, self._progress.step, self._runtime.rank)
        return int(np.random.SeedSequence(origin).generate_state(1, np.uint64)[0])

    def _checked_losses(self) -> MeanLosses:
        """The means since the last log point. Collective.

        Raises:
            InputError: a loss is not finite, or above ``train.max_loss``.
        """
        started = time.perf_counter()
        means = self._losses.means()
        # Their values wait for what the device has queued: time of the steps, not of what follows.
        self._progress.seconds += time.perf_counter() - started
        if means.diverged is not None:
            self._stop(means.diverged.reason, means.diverged.position)
        return means

    def _stop(self, reason: str, position: Position) -> None:
        """Ends a training that diverged. The checkpoint under way is from before, so it is kept.

        Raises:
            InputError: always.
        """
        self._saver.settle()
        kept = whole_checkpoints(self._directory.checkpoints)
        files = self._loader.files_of(position.epoch, position.batch)
        listed = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        raise InputError(
            f"{self._directory.path}: {reason} at step {position.step:,}, batch "
            f"{position.batch + 1:,} of {self._loader.batches_per_epoch:,} in epoch "
            f"{position.epoch + 1}, with rows of {listed}; the last good checkpoint is "
            f"{kept[-1] if kept else 'none'}. Lower the learning rates or clip gradients "
            "(train.clip_norm), in another run.directory"
        )

    def _validate(self, epoch: int, ended: bool) -> None:
        """Validates, measures collapse, keeps the best, and saves.

        The best model and the journal's points are on disk before the checkpoint that remembers
        the validation is published: after a kill in between, it is done again. So this waits
        for the checkpoint to be written, from which collapse is measured too.

        Raises:
            InputError: a weight or a metric is not finite.
        """
        at, metric = self._progress, self._spec.train.monitor
        self._checked_losses()
        average_batch_statistics(self._module)
        scores = validate(self._spec, self._training, self._valid_loader, self._runtime)
        # First, because weights that are not finite leave no metric finite.
        state = self._finite_state()
        check_finite("valid", scores)
        is_best = at.stopping.update(at.step, epoch, scores[metric])
        self._saver.save(state, at, is_best)
        written = self._saver.wait()
        grams = probe_grams(written, self._training.model.tables, None, self._runtime)
        spectra = {gram.name: spectrum_of(gram.plain) for gram in grams}
        abundance = fmean(one.information_abundance for one in spectra.values())
        point = {**scores, "information_abundance": abundance}
        if self._journal is not None and self._collapse_log is not None:
            self._journal.write("valid", at.step, epoch, point)
            self._collapse_log.write(at.step, epoch, spectra)
        self._saver.settle()
        self._say(
            f"epoch {epoch + 1}{'' if ended else f', step {at.step:,}'}: validation AUC "
            f"{scores['auc']:.5f}{' (best)' if is_best else ''}, logloss {scores['logloss']:.5f}, "
            f"information abundance {abundance:.2f}"
        )

    def _save(self) -> None:
        """Starts a checkpoint without a validation. Collective."""
        self._checked_losses()
        average_batch_statistics(self._module)
        self._saver.save(self._finite_state(), self._progress)

    def _finite_state(self) -> dict[str, StoredTensor]:
        """The tensors of the training as it is, whose losses are checked. Collective.

        Raises:
            InputError: a weight or a moment is not finite.
        """
        state = tensors_to_save(self._module, self._training.optimizers)
        if not all_finite(state, self._runtime):
            self._stop("a weight or a moment is not finite", self._losses.last)
        return state

    def _say(self, line: str) -> None:
        if self._runtime.is_main:
            print(line, flush=True)
