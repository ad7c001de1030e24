"""The plan tool says whether a model fits, and every remedy it names makes it fit."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_trainings import SpecMaker, write_spec

from pipeline import plan
from pipeline.console import InputError
from pipeline.data.manifest import Field, Manifest, read_manifest
from pipeline.distributed.fit import Fit, fit, in_units
from pipeline.distributed.fit_text import describe_fit, describe_remedies
from pipeline.distributed.hardware import GIB, Cluster, named_hardware
from pipeline.distributed.memory import dense_memory
from pipeline.distributed.remedies import remedies
from pipeline.model.dense_part import DensePart
from pipeline.spec import Spec
from pipeline.spec_file import load_spec

LARGE_ROWS = 10_000_000
TABLE_WISE = {"type": ["table_wise"]}


@pytest.fixture
def manifest(tiny_dataset: Path) -> Manifest:
    """Two large fields, whose tables take 0.96e9 bytes of weights together, and a small one."""
    fields = [Field(name, "categorical", LARGE_ROWS) for name in ("user", "item")]
    return replace(read_manifest(tiny_dataset), fields=(*fields, Field("hour", "categorical", 24)))


def cluster_of(spec: Spec, ranks: int, device: str = "h200") -> Cluster:
    return Cluster(named_hardware(device, spec.sharding.hardware), ranks, ranks)


@pytest.fixture
def make_tight(make_spec: SpecMaker) -> Any:
    """A spec for devices of so many GiB."""

    def make(
        gib: float, weight_decay: float = 0.0, host_gib: float = 64.0, **sharding: Any
    ) -> Spec:
        hardware = {"hbm_gib": gib, "ddr_gib": host_gib}
        return make_spec(
            embedding_optimizer={"name": "adam", "weight_decay": weight_decay},
            sharding={"hardware": hardware, "reserved_share": 0.1, **sharding},
        )

    return make


def outcome_with(changes: str, spec: Spec, manifest: Manifest, ranks: int) -> Fit:
    """The plan after a remedy, typed as it is printed."""
    words = shlex.split(changes)
    if "--world-size" in words:
        place = words.index("--world-size")
        ranks = int(words[place + 1])
        del words[place : place + 2]
    changed = load_spec(write_spec(spec), words)
    return fit(changed, manifest, cluster_of(changed, ranks))


def test_tables_of_a_fitting_model_are_within_every_ranks_memory(
    make_tight: Any, manifest: Manifest
) -> None:
    spec = make_tight(2.0)
    outcome = fit(spec, manifest, cluster_of(spec, 2))
    assert outcome.problem == ""
    assert outcome.memory is not None
    # 12 columns with two moments each.
    assert sum(outcome.memory.device) == (2 * LARGE_ROWS + 24) * 36 * 4
    assert max(outcome.memory.device) < 2 * GIB
    assert "fits: the fullest rank takes" in describe_fit(outcome, spec)


@pytest.mark.parametrize(
    ("gib", "sharding", "ranks", "named"),
    [
        # Two tables of 1.34 GiB are each too large for a rank; by rows they fit three.
        (1.4, {"type": "table_wise", "reserved_share": 0.2}, 3, "sharding.type=row_wise"),
        (1.0, {}, 2, "embedding_optimizer.name=rowwise_adagrad"),
        (1.0, {"weight_decay": 0.1}, 2, "rowwise_adagrad embedding_optimizer.weight_decay=0"),
        (1.0, {}, 2, "--world-size"),
        (1.0, {}, 2, "fused_uvm_caching"),
        (0.5, {"type": "data_parallel"}, 2, "sharding.type=auto"),
        (0.2, {"type": "table_wise"}, 2, "sharding.type=row_wise"),
        # With the state of one number a row, and by rows, which the rule keeps them from.
        (
            0.4,
            {"type": "data_parallel", "rules": [TABLE_WISE], "host_gib": 0.5},
            3,
            "embedding_optimizer.name=rowwise_adagrad sharding.type=row_wise sharding.rules='[]'",
        ),
    ],
)
def test_every_remedy_makes_the_model_fit(
    make_tight: Any, manifest: Manifest, gib: float, sharding: Any, ranks: int, named: str
) -> None:
    spec = make_tight(gib, **sharding)
    outcome = fit(spec, manifest, cluster_of(spec, ranks))
    assert outcome.problem
    assert "does not fit: " in describe_fit(outcome, spec)
    found = remedies(spec, manifest, outcome)
    assert any(named in remedy.change for remedy in found), found
    for remedy in found:
        settings = [word.partition("=")[0] for word in shlex.split(remedy.change)]
        assert len(settings) == len(set(settings)), remedy
        changed = outcome_with(remedy.change, spec, manifest, ranks)
        assert changed.problem == "", remedy
        assert changed.memory is not None
        most = max(changed.memory.device) + changed.dense.total
        assert most == pytest.approx(remedy.most, rel=1e-3)


def test_a_batch_that_is_too_large_is_halved_until_it_fits(
    make_spec: SpecMaker, manifest: Manifest
) -> None:
    spec = make_spec(
        train={"batch_size": 2**20}, sharding={"hardware": {"hbm_gib": 2.5, "ddr_gib": 64.0}}
    )
    outcome = fit(spec, manifest, cluster_of(spec, 1))
    assert "for a batch's activations" in outcome.problem
    assert "train.batch_size=" in describe_remedies(remedies(spec, manifest, outcome))


def test_activations_are_what_autograd_saves_of_real_tensors(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"batch_size": 64})
    part = DensePart(["a", "b", "c"], 0, ["label"], spec.model, "fp32")
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    embeddings = [torch.ones(2, 32, 3, 5, requires_grad=True)]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        part(embeddings, None)
    saved = sum(kept.values())
    saved -= sum(
        kept.get(parameter.untyped_storage().data_ptr(), 0) for parameter in part.parameters()
    )
    estimate = dense_memory(spec, ["a", "b", "c"], [], cluster_of(spec, 2))
    # Beside it four copies of 32 rows of 3 x 10 embeddings, and the ids.
    assert estimate.activations == saved + 4 * 32 * 30 * 4 + 32 * 3 * 8
    # Weights, gradients and Adam's two moments.
    assert estimate.parameters == sum(p.numel() for p in part.parameters()) * 4 * 4


def test_fields_that_gates_do_not_read_take_no_memory_of_theirs(make_spec: SpecMaker) -> None:
    """Of one field more, four copies of 64 rows of 64 numbers."""
    one, two = (
        make_spec(model={"head": "gate", "gate": {"embedding_dim": 64, "fields": fields}})
        for fields in (["a"], ["a", "b"])
    )
    needs = [
        dense_memory(spec, ["a", "b"], [], cluster_of(spec, 2)).activations for spec in (one, two)
    ]
    assert needs[1] - needs[0] >= 4 * 64 * 64 * 4


def test_bytes_are_told_in_units() -> None:
    assert [in_units(count) for count in (512, 3 * 2**20, 5 * GIB)] == [
        "0.5 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]


def show_plan(spec: Spec, *arguments: str) -> None:
    plan.main([str(write_spec(spec)), *arguments])


def test_the_entry_point_plans_for_hardware_that_is_not_there(
    make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    ranks = ["--world-size", "16", "--device", "h200"]
    show_plan(make_spec(), *ranks, "sharding.type=row_wise")
    shown = capsys.readouterr().out
    assert "16 x h200 on 2 nodes: 139.0 GiB a rank" in shown
    assert "rank 15:" in shown
    assert shown.splitlines()[-1].startswith("fits: ")


def test_the_entry_point_fails_where_the_model_does_not_fit(
    make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        show_plan(make_spec(), "--device", "h100", "sharding.hardware.hbm_gib=1e-5")
    assert ended.value.code == 1
    assert "does not fit: the tables take" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--world-size", "12", "--local-world-size", "8"],
            "--world-size 12 is not a multiple of --local-world-size 8",
        ),
        (["--world-size", "12", "--nodes", "5"], "--world-size 12 is not a multiple of --nodes 5"),
        (
            ["--device", "h300"],
            "--device 'h300': known are cpu, h200, h100, a100-80, a100-40, cuda",
        ),
    ],
)
def test_ranks_and_devices_that_cannot_be_are_refused(
    make_spec: SpecMaker, arguments: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        show_plan(make_spec(), *arguments)
