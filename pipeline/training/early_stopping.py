"""Early stopping on the validation AUC (the paper's: patience 3)."""

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Remembers the best epoch, and says when to stop waiting for a better one.

    >>> stopping = EarlyStopping(patience=1)
    >>> stopping.update(0, 0.70), stopping.update(1, 0.69), stopping.should_stop
    (True, False, True)

    Attributes:
        patience: epochs without a better AUC before training stops.
        best_auc: the highest so far; -1 before the first epoch.
        best_epoch: the epoch that reached it; -1 before the first.
        epochs_without: epochs since.
    """

    patience: int
    best_auc: float = -1.0
    best_epoch: int = -1
    epochs_without: int = 0

    def update(self, epoch: int, auc: float) -> bool:
        """Takes an epoch's AUC and returns whether it is the best so far."""
        if auc > self.best_auc:
            self.best_auc, self.best_epoch, self.epochs_without = auc, epoch, 0
            return True
        self.epochs_without += 1
        return False

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.epochs_without >= self.patience
