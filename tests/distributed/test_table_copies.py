"""Groups of ranks with a copy of the tables each: real processes over gloo, against one."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_trainings import (
    SpecMaker,
    last_state,
    losses,
    run_stage,
    run_together,
    train_here,
    write_spec,
)
from torch.testing import assert_close

from pipeline.data.manifest import read_manifest
from pipeline.distributed.runtime import Runtime, start_runtime
from pipeline.spec import Spec
from pipeline.training.checkpoints.state import tensors_to_save
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import Training, build_training, training_loader

Sections = dict[str, Any]


def sections(optimizer: str, rate: float, **sharding: Any) -> Sections:
    """An epoch without momentum in the dense part, so that its steps are linear in the gradient."""
    return {
        "embedding_optimizer": {"name": optimizer, "learning_rate": rate},
        "dense_optimizer": {"name": "sgd", "learning_rate": 0.1},
        "sharding": sharding,
        "train": {"epochs": 1},
    }


def live_values(training: Training) -> dict[str, torch.Tensor]:
    """Every weight and moment of a training on one process, to be read and changed."""
    state = tensors_to_save(training.model.module, training.optimizers)
    return {name: tensor.boxes[0].values for name, tensor in state.items()}


@torch.no_grad()
def averaged_steps(spec: Spec, groups: int, runtime: Runtime) -> dict[str, torch.Tensor]:
    """What groups of one rank learn, by the definition: as many models in this process.

    Each trains on its own rows, and after every step all of them become their mean.
    """
    manifest = read_manifest(spec.dataset_directory)
    trainings = [build_training(spec, manifest, runtime) for _ in range(groups)]
    places = [replace(runtime, rank=group, world_size=groups) for group in range(groups)]
    batches = [training_loader(spec, manifest, place).epoch(0) for place in places]
    steps = training_loader(spec, manifest, places[0]).batches_per_epoch
    for step in range(steps):
        for training, own in zip(trainings, batches, strict=True):
            training.optimizers.combined.begin(step)
            with torch.enable_grad():
                training.pipeline.progress(own)
        for values in zip(*(live_values(one).values() for one in trainings), strict=True):
            mean = torch.stack([value.double() for value in values]).mean(0)
            for value in values:
                value.copy_(mean)
    return live_values(trainings[0])


@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [
        ("adagrad", 0.05),
        pytest.param("rowwise_adagrad", 0.05, marks=pytest.mark.slow),
        pytest.param("sgd", 0.5, marks=pytest.mark.slow),
    ],
)
def test_after_every_step_the_copies_are_the_mean_of_each_groups_own_step(
    make_spec: SpecMaker, optimizer: str, rate: float
) -> None:
    spec = make_spec(**sections(optimizer, rate, type="table_wise", group_size=1))
    run_stage("pipeline.train", spec, 2)
    with start_runtime("cpu") as runtime:
        expected = averaged_steps(spec, 2, runtime)
    assert_close(last_state(spec), expected, rtol=1e-5, atol=1e-6)


SHARDINGS: dict[str, Sections] = {
    "table_wise": {"type": "table_wise"},
    "row_wise": {"type": "row_wise"},
    "column_wise": {"type": "column_wise"},
    "table_row_wise": {"type": "table_row_wise"},
    "table_column_wise": {"type": "table_column_wise"},
    "auto": {"type": "auto"},
    # One rank of a group has nothing to average.
    "one table beside replicated ones": {
        "type": "table_wise",
        "rules": [{"max_rows": 100, "type": ["data_parallel"]}],
    },
    # TorchRec averages bags wrongly under grid, and "several" is a field whose bags are averaged.
    "grid": {"type": "grid", "rules": [{"tables": "several*", "type": ["row_wise"]}]},
}


@pytest.mark.slow
def test_by_sgd_two_groups_of_two_learn_what_one_process_learns(make_spec: SpecMaker) -> None:
    model = {"model": {"normalization": "synchronized_batch"}}
    specs = {
        name: make_spec(name, **sections("sgd", 0.5, group_size=2, **sharding), **model)
        for name, sharding in SHARDINGS.items()
    }
    run_together(specs, processes=4, node_ranks=4)
    alone = make_spec("alone", **sections("sgd", 0.5), **model)
    train_here(alone)
    expected = last_state(alone)
    for name, spec in specs.items():
        assert losses(spec) == pytest.approx(losses(alone), abs=1e-5), name
        assert_close(last_state(spec), expected, rtol=1e-5, atol=1e-5)
    plan = RunDirectory(specs["row_wise"].run_directory).plan_file.read_text()
    assert plan.startswith("2 groups of 2 ranks, each with a copy of the sharded tables")


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adagrad", "rowwise_adagrad"])
def test_groups_learn_what_torchrecs_own_dmp_collection_learns(
    make_spec: SpecMaker, optimizer: str
) -> None:
    case = sections(optimizer, 0.05, type="row_wise", group_size=2)
    ours, theirs = make_spec("ours", **case), make_spec("theirs", **case)
    run_stage("pipeline.train", ours, 4)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "4"]
    command += ["--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0"]
    script = Path(__file__).with_name("torchrecs_copies.py")
    done = subprocess.run(
        [*command, str(script), str(write_spec(theirs))],
        env={**os.environ, "PYTHONOPTIMIZE": "1"},
        check=False,
    )
    assert done.returncode == 0
    assert_close(last_state(ours), last_state(theirs), rtol=0, atol=1e-7)
