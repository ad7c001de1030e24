"""The training loop: steps, validation, early stopping, checkpoints."""

import math
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from pipeline.console import Advance, InputError, progress
from pipeline.data.manifest import Manifest
from pipeline.data.whole_directories import restore
from pipeline.diagnostics.gates import gate_figures, gate_sums
from pipeline.distributed.runtime import Runtime
from pipeline.distributed.sharding import average_batch_statistics
from pipeline.model.click_task import Prediction
from pipeline.spec import Spec
from pipeline.training.checkpoint import (
    Progress,
    load_checkpoint,
    publish_checkpoint,
    remove_old_checkpoints,
    step_directory,
    training_state,
    whole_checkpoints,
    write_checkpoint,
)
from pipeline.training.collapse_probe import probe_collapse
from pipeline.training.early_stopping import EarlyStopping
from pipeline.training.journal import Journal
from pipeline.training.prediction import score_split, total_loss
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import Training, scoring_loader, training_loader


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
        self._train_rows = manifest.splits["train"].rows
        self._progress = self._resume()
        self._journal = Journal(directory, self._progress) if runtime.is_main else None
        # The loss and the penalty, added up since the last log point.
        self._losses = torch.zeros(2, device=runtime.device)
        self._logged_step, self._logged_at = self._progress.step, self._progress.seconds

    def _resume(self) -> Progress:
        """Fills the model from the last whole checkpoint, if there is one."""
        if self._runtime.is_main:
            restore(self._directory.best)
        dist.barrier()
        checkpoints = whole_checkpoints(self._directory.checkpoints)
        if not checkpoints:
            return Progress(stopping=EarlyStopping(self._spec.train.patience))
        found = load_checkpoint(checkpoints[-1], self._state())
        self._say(f"resumes from {checkpoints[-1]}: epoch {found.epoch + 1}, step {found.step:,}")
        return found

    def _state(self) -> dict[str, Any]:
        """The tensors as they are now; asked for anew, since torchrec flushes its caches then."""
        return training_state(self._module, self._training.optimizers)

    def train(self) -> dict[str, Any]:
        """Runs the epochs that are left and returns the facts of the whole training."""
        at = self._progress
        if self._journal is not None and at.step == 0:
            self._journal.text("spec", (self._directory.path / "spec.toml").read_text())
            self._journal.text("plan", self._directory.plan_file.read_text())
        while at.epoch < self._spec.train.epochs and not at.stopping.should_stop:
            self._train_epoch()
            self._finish_epoch()
        if self._journal is not None:
            self._journal.close()
        return {
            "steps": at.step,
            "epochs": at.epoch,
            "best_epoch": at.stopping.best_epoch + 1,
            "seconds": round(at.seconds, 3),
            "samples_per_second": round(at.epoch * self._train_rows / at.seconds, 1),
        }

    def _train_epoch(self) -> None:
        at = self._progress
        self._module.train()
        batches = self._loader.epoch(at.epoch, start_batch=at.batch)
        task = f"epoch {at.epoch + 1}"
        with progress(task, self._train_rows, "rows", shown=self._runtime.is_main) as advance:
            advance(self._rows_before(at.batch))
            while True:
                torch.manual_seed(self._step_seed())
                started = time.perf_counter()
                try:
                    outcome = self._training.pipeline.progress(batches)
                except StopIteration:
                    return
                self._after_step(outcome, advance, started)

    def _after_step(self, outcome: Prediction, advance: Advance, started: float) -> None:
        at, settings = self._progress, self._spec.train
        at.step += 1
        at.batch += 1
        self._losses += torch.stack([outcome.loss, outcome.penalty])
        at_log_point = at.step % settings.log_every == 0
        means = self._mean_losses() if at_log_point else None
        # After the loss, whose value waits for what the device has queued.
        at.seconds += time.perf_counter() - started
        note = self._log(*means, outcome) if means is not None else None
        advance(self._rows_before(at.batch) - self._rows_before(at.batch - 1), note)
        if settings.checkpoint_every and at.step % settings.checkpoint_every == 0:
            self._save_step()

    def _rows_before(self, batch: int) -> int:
        """Rows of an epoch that come before a global batch."""
        return batch * self._train_rows // self._loader.batches_per_epoch

    def _step_seed(self) -> int:
        origin = (self._spec.run.seed, self._progress.step, self._runtime.rank)
        return int(np.random.SeedSequence(origin).generate_state(1, np.uint64)[0])

    def _mean_losses(self) -> tuple[float, float]:
        """Loss and penalty, means over ranks and the steps since the last log point. Collective.

        Raises:
            InputError: the loss is not finite.
        """
        total = self._losses.clone()
        dist.all_reduce(total)
        steps = max(self._progress.step - self._logged_step, 1)
        loss, penalty = (total / self._runtime.world_size / steps).tolist()
        if not math.isfinite(loss):
            raise InputError(
                f"{self._directory.path}: the loss is {loss} by step {self._progress.step}; the "
                "checkpoints before it are kept. Lower the learning rates, in another run.directory"
            )
        return loss, penalty

    def _log(self, loss: float, penalty: float, outcome: Prediction) -> str:
        """One log point, with the gates of this rank's rows of the last batch.

        The speed is that of the steps since the one before.
        """
        at = self._progress
        steps, seconds = at.step - self._logged_step, at.seconds - self._logged_at
        self._losses.zero_()
        self._logged_step, self._logged_at = at.step, at.seconds
        speed = steps * self._train_rows / self._loader.batches_per_epoch / seconds
        if self._journal is not None:
            values = {
                "loss": loss,
                "samples_per_second": speed,
                "embedding_learning_rate": self._spec.embedding_optimizer.learning_rate,
                "dense_learning_rate": self._spec.dense_optimizer.learning_rate,
            }
            if penalty:  # Exactly 0 where nothing is switched on.
                values["penalty"] = penalty
            self._journal.write("train", at.step, at.epoch, values)
            if outcome.gate is not None:
                sums = gate_sums(outcome.gate, outcome.weights)
                figures = gate_figures(sums, self._loader.labels, self._spec.model)
                self._journal.write("gate", at.step, at.epoch, figures)
        return f"loss {loss:.4f}, {speed:,.0f} samples/s"

    def _finish_epoch(self) -> None:
        """Validates, measures collapse, keeps the best, and saves.

        The best model and the journal's points are written before the checkpoint that remembers
        the epoch is published: after a kill in between, the epoch is finished again.
        """
        at = self._progress
        self._mean_losses()
        average_batch_statistics(self._module)
        scores = self._validate()
        is_best = at.stopping.update(at.epoch, scores["auc"])
        at.epoch, at.batch = at.epoch + 1, 0
        if is_best:
            best = {"model": self._state()["model"]}
            write_checkpoint(self._directory.best, best, at, self._runtime)
            publish_checkpoint(self._directory.best, self._runtime)
        written = write_checkpoint(self._step_directory(), self._state(), at, self._runtime)
        collapse = probe_collapse(written, self._training.model.tables, self._runtime)
        abundance = {field.name: field.together.information_abundance for field in collapse}
        point = {**scores, "information_abundance": fmean(abundance.values())}
        if self._journal is not None:
            self._journal.write("valid", at.step, at.epoch - 1, point)
            self._journal.write("valid_information_abundance", at.step, at.epoch - 1, abundance)
        self._publish_step()
        self._say(
            f"epoch {at.epoch}: validation AUC {scores['auc']:.5f}"
            f"{' (best)' if is_best else ''}, logloss {scores['logloss']:.5f}, "
            f"information abundance {point['information_abundance']:.2f}"
        )

    def _validate(self) -> dict[str, Any]:
        """The validation split's metrics, and what training minimises on it, on every rank."""
        scored = score_split(
            "validate", self._module, self._training.pipeline, self._valid_loader, self._runtime
        )
        shared: list[dict[str, Any]] = [{}]
        if scored is not None:
            metrics = scored.metrics()
            weights = [task.weight for task in self._spec.model.resolved_tasks]
            shared = [{"loss": total_loss(metrics, weights), **metrics}]
        dist.broadcast_object_list(shared)
        return shared[0]

    def _save_step(self) -> None:
        """A checkpoint within an epoch. Collective."""
        self._mean_losses()
        average_batch_statistics(self._module)
        write_checkpoint(self._step_directory(), self._state(), self._progress, self._runtime)
        self._publish_step()

    def _step_directory(self) -> Path:
        return step_directory(self._directory.checkpoints, self._progress.step)

    def _publish_step(self) -> None:
        publish_checkpoint(self._step_directory(), self._runtime)
        if self._runtime.is_main:
            remove_old_checkpoints(self._directory.checkpoints)

    def _say(self, line: str) -> None:
        if self._runtime.is_main:
            print(line, flush=True)
