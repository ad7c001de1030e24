"""Early stopping on the validation AUC."""

from pipeline.training.early_stopping import EarlyStopping


def test_the_first_epoch_is_the_best_so_far() -> None:
    assert EarlyStopping(patience=3).update(0, 0.51)


def test_an_equal_auc_is_not_better() -> None:
    stopping = EarlyStopping(patience=3)
    stopping.update(0, 0.6)
    assert not stopping.update(1, 0.6)


def test_it_stops_after_patience_epochs_without_a_better_one() -> None:
    stopping = EarlyStopping(patience=2)
    stops = []
    for epoch, auc in enumerate([0.6, 0.7, 0.69, 0.68]):
        stopping.update(epoch, auc)
        stops.append(stopping.should_stop)
    assert stops == [False, False, False, True]
    assert (stopping.best_epoch, stopping.best_auc) == (1, 0.7)


def test_a_better_epoch_restores_the_patience() -> None:
    stopping = EarlyStopping(patience=2)
    for epoch, auc in enumerate([0.7, 0.6, 0.8, 0.75]):
        stopping.update(epoch, auc)
    assert not stopping.should_stop


def test_a_worse_than_random_first_epoch_is_still_kept() -> None:
    assert EarlyStopping(patience=1).update(0, 0.4)
