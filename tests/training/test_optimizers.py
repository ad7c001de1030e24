"""Which rows an optimizer moves, and which combinations it refuses."""

import pytest
import torch
from small_trainings import SpecMaker

from pipeline.console import InputError
from pipeline.data.manifest import read_manifest
from pipeline.distributed.runtime import start_runtime
from pipeline.distributed.sharding import TABLE_KEY, local_parts
from pipeline.spec import Spec
from pipeline.training.setup import build_training, training_loader


def moved_rows(spec: Spec, steps: int) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Of the field "large": which rows moved in the last of some steps, and which it held."""
    manifest = read_manifest(spec.dataset_directory)
    with start_runtime("cpu") as runtime:
        training = build_training(spec, manifest, runtime)
        batches = list(training_loader(spec, manifest, runtime).epoch(0))[:steps]
        table = next(t for t in training.model.tables if t.field.name == "large")
        key = TABLE_KEY.format(table.name)
        weight = next(iter(local_parts(training.model.module.state_dict()[key])))[0]
        for batch in batches:
            before = weight.clone()
            training.pipeline.progress(iter([batch]))
        held = torch.zeros(table.rows, dtype=torch.bool)
        held[batches[-1].features["large"].values()] = True
        moved = (weight != before).any(dim=1)
        return moved, held, training.optimizers.semantics


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rowwise_adagrad"])
def test_a_fused_optimizer_moves_just_the_rows_of_the_batch(
    make_spec: SpecMaker, optimizer: str
) -> None:
    spec = make_spec(embedding_optimizer={"name": optimizer})
    moved, held, semantics = moved_rows(spec, steps=2)
    assert torch.equal(moved, held)
    assert semantics == "sparse"


def test_adam_moves_rows_that_an_earlier_batch_held(make_spec: SpecMaker) -> None:
    spec = make_spec(embedding_optimizer={"name": "adam"})
    moved, held, semantics = moved_rows(spec, steps=2)
    assert (moved & ~held).any()
    assert semantics == "dense"


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rowwise_adagrad"])
def test_weight_decay_of_sharded_tables_is_refused(make_spec: SpecMaker, optimizer: str) -> None:
    spec = make_spec(embedding_optimizer={"name": optimizer, "weight_decay": 0.1})
    with (
        start_runtime("cpu") as runtime,
        pytest.raises(InputError, match="weight_decay: sharded tables have none"),
    ):
        build_training(spec, read_manifest(spec.dataset_directory), runtime)


@pytest.mark.parametrize("sharding", ["auto", "data_parallel"])
def test_clip_value_of_replicated_tables_is_refused(make_spec: SpecMaker, sharding: str) -> None:
    optimizer = {"name": "adam", "clip_value": 0.1}
    spec = make_spec(embedding_optimizer=optimizer, sharding={"type": sharding})
    with (
        start_runtime("cpu") as runtime,
        pytest.raises(InputError, match=r"clip_value: data_parallel tables have none.*clip_norm"),
    ):
        build_training(spec, read_manifest(spec.dataset_directory), runtime)


def test_adam_with_weight_decay_moves_every_row(make_spec: SpecMaker) -> None:
    spec = make_spec(embedding_optimizer={"name": "adam", "weight_decay": 1e-2})
    moved, _, _ = moved_rows(spec, steps=1)
    assert moved.all()


@pytest.mark.parametrize(
    ("optimizer", "sharding", "message"),
    [
        ("adam", "table_wise", "no such kernel on CPU; use the type 'data_parallel', or one of"),
        ("adam", "row_wise", "no such kernel on CPU"),
        ("partial_rowwise_adam", "row_wise", "no such kernel on CPU"),
        ("partial_rowwise_adam", "auto", "no such kernel on CPU"),
        ("lamb", "auto", "no such kernel on CPU"),
        ("rowwise_adagrad", "data_parallel", "has no step for 'data_parallel' tables"),
        ("lamb", "data_parallel", "has no step for 'data_parallel' tables"),
    ],
)
def test_a_combination_without_a_kernel_is_refused(
    make_spec: SpecMaker, optimizer: str, sharding: str, message: str
) -> None:
    spec = make_spec(embedding_optimizer={"name": optimizer}, sharding={"type": sharding})
    with start_runtime("cpu") as runtime, pytest.raises(InputError, match=message):
        build_training(spec, read_manifest(spec.dataset_directory), runtime)
