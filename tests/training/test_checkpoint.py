"""Checkpoints are whole or not there, load in place, and say what is wrong with them."""

import shutil
from pathlib import Path

import pytest
import torch
from small_trainings import SpecMaker, train_here

from pipeline.console import InputError
from pipeline.data.manifest import read_manifest
from pipeline.distributed.runtime import Runtime, start_runtime
from pipeline.distributed.sharding import TABLE_KEY
from pipeline.training.checkpoint import (
    KEPT_CHECKPOINTS,
    load_checkpoint,
    read_table,
    remove_old_checkpoints,
    training_state,
    whole_checkpoints,
)
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import Training, build_training


@pytest.fixture
def trained(make_spec: SpecMaker) -> RunDirectory:
    spec = make_spec(train={"epochs": 1, "checkpoint_every": 3})
    train_here(spec)
    return RunDirectory(spec.run_directory)


def build(make_spec: SpecMaker, runtime: Runtime, **sections: dict[str, object]) -> Training:
    spec = make_spec(**sections)
    return build_training(spec, read_manifest(spec.dataset_directory), runtime)


def test_the_last_checkpoints_are_kept(trained: RunDirectory) -> None:
    kept = whole_checkpoints(trained.checkpoints)
    assert [path.name for path in kept] == ["step-0000000012", "step-0000000013"]
    assert len(kept) == KEPT_CHECKPOINTS


def test_a_half_written_checkpoint_is_not_taken_for_whole(trained: RunDirectory) -> None:
    whole = whole_checkpoints(trained.checkpoints)
    half = trained.checkpoints / "step-0000000099.partial"
    shutil.copytree(whole[-1], half)
    assert whole_checkpoints(trained.checkpoints) == whole
    remove_old_checkpoints(trained.checkpoints)
    assert not half.exists()


def test_a_table_is_read_without_its_padding_columns(
    trained: RunDirectory, make_spec: SpecMaker
) -> None:
    checkpoint = whole_checkpoints(trained.checkpoints)[-1]
    with start_runtime("cpu") as runtime:
        training = build(make_spec, runtime)
        state = training_state(training.model.module, training.optimizers)
        load_checkpoint(checkpoint, state)
        table = training.model.tables[0]
        shard = state["model"][TABLE_KEY.format(table.name)].local_shards()[0].tensor
        assert table.columns == 10
        assert table.physical_columns == 12
        assert torch.equal(read_table(checkpoint, table), shard[:, :10])


def test_a_checkpoint_of_another_model_is_refused(
    trained: RunDirectory, make_spec: SpecMaker
) -> None:
    checkpoint = whole_checkpoints(trained.checkpoints)[-1]
    with start_runtime("cpu") as runtime:
        training = build(make_spec, runtime, model={"hidden_dim": 8})
        state = training_state(training.model.module, training.optimizers)
        with pytest.raises(InputError, match="the checkpoint does not load"):
            load_checkpoint(checkpoint, state)


def test_a_checkpoint_that_lost_a_file_is_refused(
    trained: RunDirectory, make_spec: SpecMaker
) -> None:
    checkpoint = whole_checkpoints(trained.checkpoints)[-1]
    Path(checkpoint / "__0_0.distcp").unlink()
    with start_runtime("cpu") as runtime:
        training = build(make_spec, runtime)
        state = training_state(training.model.module, training.optimizers)
        with pytest.raises(InputError, match="the checkpoint does not load"):
            load_checkpoint(checkpoint, state)
