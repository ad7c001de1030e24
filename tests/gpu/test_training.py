"""What only a CUDA device has: fused Adam, UVM caching, NCCL, bf16, streams, its profiler."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from small_trainings import SpecMaker, finish, losses, start_torchrun, train_here

from pipeline.data.manifest import read_manifest
from pipeline.distributed.runtime import Runtime, start_runtime
from pipeline.distributed.sharding import TABLE_KEY, local_parts
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import Training, build_training, training_loader

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with start_runtime("cuda") as started:
        yield started


def curves(make_spec: SpecMaker, *variants: dict[str, Any]) -> list[list[float]]:
    """The losses of an epoch on CUDA under each variant of the spec."""
    found = []
    for place, sections in enumerate(variants):
        train = {"device": "cuda", "epochs": 1, **sections.get("train", {})}
        spec = make_spec(f"variant-{place}", **{**sections, "train": train})
        train_here(spec)
        found.append(losses(spec))
    return found


def table_weights(training: Training) -> dict[str, torch.Tensor]:
    state = training.model.module.state_dict()
    names = [table.name for table in training.model.tables]
    parts = {name: next(local_parts(state[TABLE_KEY.format(name)]))[0] for name in names}
    return {name: weight.detach().float().cpu().clone() for name, weight in parts.items()}


@pytest.mark.parametrize(
    "optimizer", ["sgd", "adagrad", "rowwise_adagrad", "adam", "partial_rowwise_adam", "lamb"]
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_lowers_the_loss(make_spec: SpecMaker, optimizer: str, precision: str) -> None:
    spec = make_spec(
        embedding_optimizer={"name": optimizer, "learning_rate": 0.02},
        train={"device": "cuda", "precision": precision, "epochs": 3},
    )
    train_here(spec)
    assert sum(losses(spec)[-5:]) < sum(losses(spec)[:5])


def test_cuda_learns_what_the_cpu_learns(make_spec: SpecMaker) -> None:
    on_cpu, on_cuda = curves(make_spec, {"train": {"device": "cpu"}}, {})
    assert on_cuda == pytest.approx(on_cpu, abs=1e-3)


def test_fused_adams_first_step_is_the_learning_rate_and_spares_other_rows(
    make_spec: SpecMaker, runtime: Runtime
) -> None:
    """With both moments corrected, m / sqrt(v) = g / |g| after one step: every number that has a
    gradient moves by the learning rate, whatever the gradient's size.
    """
    rate = 0.01
    spec = make_spec(
        embedding_optimizer={"name": "adam", "learning_rate": rate, "eps": 1e-20},
        sharding={"type": "table_wise"},
        train={"device": "cuda"},
    )
    manifest = read_manifest(spec.dataset_directory)
    training = build_training(spec, manifest, runtime)
    before = table_weights(training)
    batch = next(training_loader(spec, manifest, runtime).epoch(0))
    training.optimizers.combined.begin(0)
    training.pipeline.progress(iter([batch]))
    after = table_weights(training)
    for table in training.model.tables:
        used = batch.features[table.field.name].values().unique().long()
        moved = (after[table.name] - before[table.name])[:, : table.columns].abs()
        others = torch.ones(table.rows, dtype=torch.bool)
        others[used] = False
        assert moved[others].count_nonzero() == 0
        moving = moved[used][moved[used] > 0]
        assert len(moving) > 0
        assert torch.allclose(moving, torch.full_like(moving, rate), rtol=0.01)


def test_uvm_caching_learns_what_tables_on_the_device_learn(make_spec: SpecMaker) -> None:
    rule = {"tables": "*", "kernel": ["fused_uvm_caching"], "cache_load_factor": 0.3}
    cached = {"sharding": {"type": "table_wise", "rules": [rule]}}
    on_device, through_cache = curves(make_spec, {"sharding": {"type": "table_wise"}}, cached)
    assert through_cache == pytest.approx(on_device, abs=1e-5)


def test_tensors_on_the_device_travel_by_nccl_and_others_by_gloo(runtime: Runtime) -> None:
    backends = dist.get_backend_config()
    assert "cuda:nccl" in backends
    assert "cpu:gloo" in backends
    for device in ("cuda", "cpu"):
        tensor = torch.arange(4.0, device=device)
        dist.all_reduce(tensor)
        assert tensor.tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="torch finds fewer than two GPUs")
def test_two_gpus_learn_what_one_learns(make_spec: SpecMaker) -> None:
    sections = {"sharding": {"type": "row_wise"}, "train": {"device": "cuda", "epochs": 1}}
    one, two = make_spec("one", **sections), make_spec("two", **sections)
    finish(start_torchrun("pipeline.train", two, processes=2))
    train_here(one)
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)


def test_streams_that_overlap_learn_what_one_stream_learns(make_spec: SpecMaker) -> None:
    overlapped, plain = curves(
        make_spec, {"train": {"pipeline": "overlapped"}}, {"train": {"pipeline": "plain"}}
    )
    assert overlapped == pytest.approx(plain, abs=1e-5)


def test_batches_come_in_page_locked_memory(make_spec: SpecMaker, runtime: Runtime) -> None:
    spec = make_spec(train={"device": "cuda"})
    batches = training_loader(spec, read_manifest(spec.dataset_directory), runtime).epoch(0)
    batch = next(batches)
    assert batch.labels.is_pinned()
    assert batch.features.values().is_pinned()


def test_deterministic_training_repeats_itself_to_the_bit(make_spec: SpecMaker) -> None:
    settings = {"train": {"deterministic": True}, "model": {"dropout": 0.2}}
    first, second = curves(make_spec, settings, settings)
    assert first == second


def test_bf16_stays_close_to_fp32(make_spec: SpecMaker) -> None:
    fp32, bf16 = curves(
        make_spec, {"train": {"precision": "fp32"}}, {"train": {"precision": "bf16"}}
    )
    assert bf16 == pytest.approx(fp32, abs=0.02)
    assert bf16 != fp32


def test_a_profiler_trace_has_the_devices_kernels(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"device": "cuda", "epochs": 1, "profile_steps": 2})
    train_here(spec)
    (trace,) = RunDirectory(spec.run_directory).tensorboard.glob("rank0.*.pt.trace.json.gz")
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert any(event.get("cat") == "kernel" for event in events)
