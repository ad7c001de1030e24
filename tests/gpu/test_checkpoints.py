"""What a checkpoint of a training on CUDA carries on."""

import shutil

import pytest
import torch
from small_trainings import SpecMaker, train_here

from pipeline.console import InputError
from pipeline.spec import Spec
from pipeline.training.checkpoints.rows import checkpoint_record, read_tensor
from pipeline.training.run_directory import RunDirectory, read_journal

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


def losses_after(spec: Spec, step: int) -> list[float]:
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    return [p["loss"] for p in points if p["kind"] == "train" and p["step"] > step]


def test_fused_adam_goes_on_with_its_count_of_steps(make_spec: SpecMaker) -> None:
    # Were the count to begin again, the step after would be twice the size.
    sections = {
        "embedding_optimizer": {"name": "adam", "learning_rate": 0.02},
        "train": {"device": "cuda", "checkpoint_every": 4, "keep_checkpoints": 99},
    }
    unbroken = make_spec("unbroken", **sections, sharding={"type": "table_wise"})
    train_here(unbroken)
    again = make_spec("again", **sections, sharding={"type": "row_wise"})
    origin = RunDirectory(unbroken.run_directory).checkpoints / "step-0000000008"
    shutil.copytree(origin, RunDirectory(again.run_directory).checkpoints / origin.name)
    assert read_tensor(origin, checkpoint_record(origin), "embedding_optimizer.step") == 8
    train_here(again)
    assert losses_after(again, 8) == pytest.approx(losses_after(unbroken, 8), abs=1e-3)


def test_a_training_with_sparse_updates_does_not_go_on_with_dense_ones(
    make_spec: SpecMaker,
) -> None:
    sections = {
        "embedding_optimizer": {"name": "adam"},
        "train": {"device": "cuda", "checkpoint_every": 4, "keep_checkpoints": 99},
    }
    sharded = make_spec("sharded", **sections, sharding={"type": "table_wise"})
    train_here(sharded)
    again = make_spec("again", **sections, sharding={"type": "data_parallel"})
    origin = RunDirectory(sharded.run_directory).checkpoints / "step-0000000008"
    shutil.copytree(origin, RunDirectory(again.run_directory).checkpoints / origin.name)
    with pytest.raises(InputError, match=r"kind of updates .* was 'sparse', is 'dense'"):
        train_here(again)
