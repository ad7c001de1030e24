"""What the loop tells of its steps: the log points between which it trains."""

from typing import Any

from pipeline.data.loading.loader import Loader
from pipeline.diagnostics.gates import gate_figures, gate_sums
from pipeline.distributed.runtime import Runtime
from pipeline.metrics.click_window import ClickWindow
from pipeline.model.click_task import Prediction
from pipeline.spec import Spec
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.divergence import MeanLosses
from pipeline.training.journal import Journal
from pipeline.training.schedules import learning_rates
from pipeline.training.setup import Training
from pipeline.training.step_state import norms, peak_memory


class StepLog:
    """Writes the points of steps, and says in a line how the training goes.

    Args:
        spec: of the training.
        loader: of the training, with its labels and sizes.
        training: whose state is told.
        runtime: this rank's place.
        journal: on rank 0.
        progress: where the training begins or goes on.
    """

    def __init__(
        self,
        spec: Spec,
        loader: Loader,
        training: Training,
        runtime: Runtime,
        journal: Journal | None,
        progress: Progress,
    ) -> None:
        self._spec, self._loader, self._journal = spec, loader, journal
        self._training, self._runtime = training, runtime
        self._step, self._seconds = progress.step, progress.seconds
        self._window = ClickWindow(loader.labels)

    def add(self, outcome: Prediction) -> None:
        """Takes a step's predictions, made before it changed the weights."""
        self._window.add(outcome.logits, outcome.labels, outcome.weights > 0)

    def point(self, at: Progress, losses: MeanLosses, outcome: Prediction) -> str:
        """One log point, with the gates of this rank's rows of the last batch. Collective.

        The speed and the metrics are those of the steps since the point before.
        """
        metrics = self._window.metrics()
        steps, seconds = at.step - self._step, at.seconds - self._seconds
        self._step, self._seconds = at.step, at.seconds
        speed = steps * self._loader.mean_rows / seconds
        phases, memory = self._training.phases.means(), peak_memory(self._runtime)
        if self._journal is not None:
            rates = learning_rates(self._spec, at.step - 1)
            values: dict[str, Any] = {
                "loss": losses.loss,
                **metrics[self._loader.labels[0]],
                "samples_per_second": speed,
                "embedding_learning_rate": rates.embedding,
                "dense_learning_rate": rates.dense,
                **norms(self._training.optimizers),
                "phase_ms": phases,
                "memory_mib": memory,
            }
            if len(metrics) > 1:
                values["tasks"] = metrics
            if losses.penalty:  # Exactly 0 where nothing is switched on.
                values["penalty"] = losses.penalty
            self._journal.write("train", at.step, at.epoch, values)
            if outcome.gate is not None:
                sums = gate_sums(outcome.gate, outcome.weights)
                figures = gate_figures(sums, self._loader.labels, self._spec.model)
                self._journal.write_by("tasks", "gate", at.step, at.epoch, figures)
        return f"loss {losses.loss:.4f}, {speed:,.0f} samples/s"
