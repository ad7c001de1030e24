"""What the loop tells of its steps: the log points between which it trains."""

from pipeline.data.loading.loader import Loader
from pipeline.diagnostics.gates import gate_figures, gate_sums
from pipeline.model.click_task import Prediction
from pipeline.spec import Spec
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.divergence import MeanLosses
from pipeline.training.journal import Journal
from pipeline.training.schedules import learning_rates


class StepLog:
    """Writes the points of steps, and says in a line how the training goes.

    Args:
        spec: of the training.
        loader: of the training, with its labels and sizes.
        journal: on rank 0.
        progress: where the training begins or goes on.
    """

    def __init__(
        self,
        spec: Spec,
        loader: Loader,
        journal: Journal | None,
        progress: Progress,
    ) -> None:
        self._spec, self._loader, self._journal = spec, loader, journal
        self._step, self._seconds = progress.step, progress.seconds

    def point(self, at: Progress, losses: MeanLosses, outcome: Prediction) -> str:
        """One log point, with the gates of this rank's rows of the last batch.

        The speed is that of the steps since the point before.
        """
        steps, seconds = at.step - self._step, at.seconds - self._seconds
        self._step, self._seconds = at.step, at.seconds
        speed = steps * self._loader.mean_rows / seconds
        if self._journal is not None:
            rates = learning_rates(self._spec, at.step - 1)
            values = {
                "loss": losses.loss,
                "samples_per_second": speed,
                "embedding_learning_rate": rates.embedding,
                "dense_learning_rate": rates.dense,
            }
            if losses.penalty:  # Exactly 0 where nothing is switched on.
                values["penalty"] = losses.penalty
            self._journal.write("train", at.step, at.epoch, values)
            if outcome.gate is not None:
                sums = gate_sums(outcome.gate, outcome.weights)
                figures = gate_figures(sums, self._loader.labels, self._spec.model)
                self._journal.write("gate", at.step, at.epoch, figures)
        return f"loss {losses.loss:.4f}, {speed:,.0f} samples/s"
