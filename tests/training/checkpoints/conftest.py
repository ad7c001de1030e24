"""A training with checkpoints, and the means to begin others where it stood."""

import shutil
from collections.abc import Callable

import pytest
from small_trainings import SpecMaker, train_here

from pipeline.data.manifest import read_manifest
from pipeline.distributed.runtime import Runtime
from pipeline.spec import Spec
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import Training, build_training


@pytest.fixture
def trained(make_spec: SpecMaker) -> Spec:
    """An epoch of 13 steps with a checkpoint every 3, of which the last 3 stay: 9, 12, 13."""
    spec = make_spec(train={"epochs": 1, "checkpoint_every": 3, "keep_checkpoints": 3})
    train_here(spec)
    return spec


@pytest.fixture
def build(make_spec: SpecMaker) -> Callable[..., Training]:
    """Builds a training at its starting values."""

    def build_one(runtime: Runtime, **sections: dict[str, object]) -> Training:
        spec = make_spec(**sections)
        return build_training(spec, read_manifest(spec.dataset_directory), runtime)

    return build_one


@pytest.fixture
def branch(make_spec: SpecMaker) -> Callable[..., Spec]:
    """Begins another run where a run's checkpoint of some step stands."""

    def begin(name: str, origin: Spec, step: int, **sections: dict[str, object]) -> Spec:
        spec = make_spec(name, **sections)
        source = RunDirectory(origin.run_directory).checkpoints / f"step-{step:010d}"
        shutil.copytree(source, RunDirectory(spec.run_directory).checkpoints / source.name)
        return spec

    return begin
