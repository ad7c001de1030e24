"""Which rows the tables' optimizer moves, by what is sharded and by the spec alone."""

from typing import Any

import pytest
from small_trainings import SpecMaker

from pipeline.training.table_updates import settled_updates, table_updates

RULE = {"max_rows": 50, "type": ["data_parallel"]}


@pytest.mark.parametrize(("replicated", "found"), [(0, "sparse"), (2, "mixed"), (5, "dense")])
def test_adams_are_mixed_where_some_tables_are_replicated_and_others_not(
    make_spec: SpecMaker, replicated: int, found: str
) -> None:
    spec = make_spec(embedding_optimizer={"name": "adam"})
    assert table_updates(spec, replicated, tables=5) == found


@pytest.mark.parametrize("replicated", [0, 2, 5])
def test_an_optimizer_without_momentum_or_decay_moves_the_rows_of_the_batch(
    make_spec: SpecMaker, replicated: int
) -> None:
    assert table_updates(make_spec(), replicated, tables=5) == "sparse"


@pytest.mark.parametrize(
    ("optimizer", "sharding", "device", "found"),
    [
        ("adagrad", {"rules": [RULE]}, "auto", "sparse"),
        ("adam", {"type": "data_parallel"}, "auto", "dense"),
        ("adam", {"type": "row_wise"}, "auto", "sparse"),
        ("adam", {}, "cpu", "dense"),
        ("adam", {}, "cuda", "sparse"),
        ("adam", {}, "auto", None),
        ("adam", {"type": "row_wise", "rules": [RULE]}, "cuda", None),
    ],
)
def test_the_spec_alone_settles_them_but_where_rules_or_the_machine_decide(
    make_spec: SpecMaker, optimizer: str, sharding: dict[str, Any], device: str, found: str | None
) -> None:
    spec = make_spec(
        embedding_optimizer={"name": optimizer}, sharding=sharding, train={"device": device}
    )
    assert settled_updates(spec) == found
