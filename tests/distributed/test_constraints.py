"""The spec's rules say which types and kernels each table may have."""

from typing import Any

import pytest
import torch
from small_trainings import SpecMaker

from pipeline.console import InputError
from pipeline.data.manifest import read_manifest
from pipeline.distributed.constraints import table_constraints
from pipeline.distributed.hardware import Cluster, named_hardware
from pipeline.distributed.sharder import make_sharder
from pipeline.model.tables import Table, layout_tables, table_groups
from pipeline.spec import Spec
from pipeline.spec_sharding import HardwareSpec


def tables_of(spec: Spec) -> tuple[Table, ...]:
    """tiny 5 rows, small 17, middle 62, large 492, several 32, whose bags are averaged."""
    fields = read_manifest(spec.dataset_directory).fields
    return layout_tables(fields, table_groups(len(fields), spec.model), spec.model.tables)


def constraints_of(spec: Spec, device: str = "cpu", ranks: int = 4) -> dict[str, Any]:
    cluster = Cluster(named_hardware(device, HardwareSpec()), ranks, ranks)
    return table_constraints(spec, tables_of(spec), cluster)


def types_of(spec: Spec, **cluster: Any) -> dict[str, list[str]]:
    return {name: c.sharding_types for name, c in constraints_of(spec, **cluster).items()}


def test_the_first_rule_that_names_a_table_holds_and_the_type_for_all_others(
    make_spec: SpecMaker,
) -> None:
    rules = [
        {"tables": "large_*", "type": ["row_wise", "column_wise"]},
        {"tables": "*", "max_rows": 17, "type": ["data_parallel"]},
        {"min_rows": 400, "type": ["column_wise"]},
    ]
    with pytest.raises(InputError, match=r"sharding\.rules\.2: the rules before it name all of"):
        types_of(make_spec(sharding={"rules": rules}))
    assert types_of(make_spec(sharding={"type": "table_wise", "rules": rules[:2]})) == {
        "tiny_g0": ["data_parallel"],
        "small_g0": ["data_parallel"],
        "middle_g0": ["table_wise"],
        "large_g0": ["row_wise", "column_wise"],
        "several_g0": ["table_wise"],
    }


def test_a_table_with_too_few_rows_for_every_rank_stays_whole(make_spec: SpecMaker) -> None:
    """5 rows in blocks of 2 leave a fourth rank none."""
    types = types_of(make_spec(sharding={"type": "row_wise"}))
    assert types["tiny_g0"] == ["table_wise"]
    assert types["small_g0"] == ["row_wise"]


def test_columns_are_cut_in_fours_for_as_many_ranks(make_spec: SpecMaker) -> None:
    model = {"sets": 4, "embedding_dim": 10}
    spec = make_spec(model=model, sharding={"type": "column_wise"})
    # 40 columns: 4, 8, 20 or 40 are multiples of 4 that divide them.
    widths = {n: constraints_of(spec, ranks=n)["large_g0"].min_partition for n in (2, 3, 4, 16)}
    assert widths == {2: 20, 3: 20, 4: 20, 16: 4}
    rule = {"tables": "large_*", "type": ["column_wise"], "min_columns": 8}
    spec = make_spec(model=model, sharding={"rules": [rule]})
    assert constraints_of(spec, ranks=16)["large_g0"].min_partition == 8


def test_auto_cuts_no_columns_whose_steps_depend_on_each_other(make_spec: SpecMaker) -> None:
    def types(optimizer: str, embedding_dim: int) -> list[str]:
        model = {"sets": 4, "embedding_dim": embedding_dim}
        spec = make_spec(model=model, embedding_optimizer={"name": optimizer})
        return types_of(spec)["large_g0"]

    assert "column_wise" in types("adagrad", 64)
    assert "column_wise" not in types("rowwise_adagrad", 64)
    assert "column_wise" not in types("adagrad", 10)


@pytest.mark.parametrize(
    ("optimizer", "sharding", "message"),
    [
        ("adagrad", {"rules": [{"tables": "user_*"}]}, "rules.0: names no table; there are 5"),
        ("adagrad", {"rules": [{"min_rows": 10**6}]}, "with 5 to 492 rows"),
        ("adam", {"type": "row_wise"}, "no such kernel on CPU"),
        ("rowwise_adagrad", {"type": "data_parallel"}, "has no step for 'data_parallel'"),
        ("adagrad", {"rules": [{"kernel": ["fused_uvm"]}]}, "'fused_uvm' needs CUDA"),
        (
            "adagrad",
            {"type": "data_parallel", "rules": [{"kernel": ["fused"]}]},
            "type = 'data_parallel' has none of the kernels",
        ),
        ("adagrad", {"type": "grid"}, "averages the bags of several_g0 wrongly"),
    ],
)
def test_what_cannot_be_is_refused(
    make_spec: SpecMaker, optimizer: str, sharding: dict[str, Any], message: str
) -> None:
    spec = make_spec(embedding_optimizer={"name": optimizer}, sharding=sharding)
    with pytest.raises(InputError, match=message):
        constraints_of(spec)


# 4 sets of 400 columns side by side, and sets of 1,100.
WIDE, WIDE_SETS = {"sets": 4, "embedding_dim": 400}, {"sets": 2, "embedding_dim": 1100}


@pytest.mark.parametrize(
    ("model", "sharding", "ranks", "message"),
    [
        (WIDE, {}, 1, "a part of table tiny_g0 has 1,600 columns.* 'separate' for tables of 400"),
        (WIDE, {"type": "table_wise"}, 4, "a part of table tiny_g0 has 1,600 columns"),
        (WIDE, {"type": "column_wise"}, 1, "over enough ranks"),
        ({**WIDE_SETS, "tables": "separate"}, {}, 1, "make model.embedding_dim smaller"),
    ],
)
def test_a_part_that_is_too_wide_for_cudas_kernels_is_refused(
    make_spec: SpecMaker, model: dict[str, Any], sharding: dict[str, Any], ranks: int, message: str
) -> None:
    spec = make_spec(model=model, sharding=sharding)
    constraints_of(spec, "cpu", ranks)
    with pytest.raises(InputError, match=message):
        constraints_of(spec, "h200", ranks)


def test_auto_cuts_wide_tables_by_columns_on_cuda_alone(make_spec: SpecMaker) -> None:
    spec = make_spec(model=WIDE)
    assert types_of(spec, device="h200")["large_g0"] == ["column_wise"]
    assert "table_wise" in types_of(spec, device="cpu")["large_g0"]
    separate = make_spec(model={**WIDE, "tables": "separate"})
    assert "table_wise" in types_of(separate, device="h200")["large_g0_s0"]


def test_gloo_is_not_asked_for_bf16(make_spec: SpecMaker) -> None:
    spec = make_spec(sharding={"communication": "bf16"})
    with pytest.raises(InputError, match="gloo sends none"):
        make_sharder(spec, torch.device("cpu"))
    codecs = make_sharder(spec, torch.device("cuda")).qcomm_codecs_registry
    assert codecs is not None
