import pytest
from small_trainings import SpecMaker, train_here

from pipeline.registry import BUILT_IN
from pipeline.training.run_directory import RunDirectory, read_journal


@pytest.mark.parametrize("interaction", BUILT_IN["interaction"])
def test_lowers_its_loss_in_bf16(interaction: str, make_spec: SpecMaker) -> None:
    spec = make_spec(
        model={"interaction": interaction, "embedding_dim": 4}, train={"precision": "bf16"}
    )
    train_here(spec)
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    losses = [point["loss"] for point in points if point["kind"] == "train"]
    assert sum(losses[-5:]) < sum(losses[:5])
