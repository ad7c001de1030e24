"""Early stopping on a validation metric (the paper's: AUC with patience 3)."""

from dataclasses import dataclass

from pipeline.metrics.names import badness


@dataclass
class EarlyStopping:
    """Remembers the best validation, and says when to stop waiting for a better one.

    >>> stopping = EarlyStopping(metric="auc", patience=1)
    >>> stopping.update(10, 0, 0.70), stopping.update(20, 1, 0.69), stopping.should_stop
    (True, False, True)

    Attributes:
        metric: what is compared.
        patience: validations without a better value before training stops.
        best: the best value so far; None before the first validation.
        best_epoch: the epoch in which it was reached, from 0.
        last_step: the step of the last validation; 0 before the first.
        without: validations since the best.
    """

    metric: str
    patience: int
    best: float | None = None
    best_epoch: int = -1
    last_step: int = 0
    without: int = 0

    def update(self, step: int, epoch: int, value: float) -> bool:
        """Takes a validation's value and returns whether it is the best so far."""
        self.last_step = step
        if self.best is None or badness(self.metric, value) < badness(self.metric, self.best):
            self.best, self.best_epoch, self.without = value, epoch, 0
            return True
        self.without += 1
        return False

    def forget_best(self) -> None:
        """Takes the next validation for the best so far: what was best before is kept no more."""
        self.best, self.best_epoch = None, -1

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.without >= self.patience
