"""Advice from the spectra of made-up fields."""

import torch
from measured_fields import measured_field
from torch import Tensor

from pipeline.diagnostics.collapse import FieldCollapse
from pipeline.diagnostics.recommendation import recommend


def matrix(used: int, dimensions: int = 10, seed: int = 0) -> Tensor:
    """(200, dimensions), equal singular values in ``used`` of them, hardly any in the others."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(200, dimensions, generator=generator)).Q
    return basis * torch.where(torch.arange(dimensions) < used, 1.0, 0.01)


def single(*used: int) -> list[FieldCollapse]:
    return [measured_field(f"f{place}", [matrix(count)]) for place, count in enumerate(used)]


def test_spread_fields_need_nothing() -> None:
    found = recommend(single(9, 9, 3))
    assert found.advice == "nothing"
    assert "need 9 or more of them for 95 % of the energy" in found.reason


def test_where_some_fields_use_their_dimensions_and_most_do_not_more_sets_help() -> None:
    found = recommend(single(2, 2, 3, 9))
    assert found.advice == "more sets"
    assert "need 2.5 or less" in found.reason
    assert "up to 9" in found.reason


def test_a_field_alone_is_not_compared_with_others() -> None:
    few, all_but_one = recommend(single(6)), recommend(single(9))
    assert few.advice == "more sets"
    assert few.reason.startswith("f0 needs 6 of its 10 dimensions for 95 % of the energy. More")
    assert all_but_one.reason.startswith("f0 needs 9 of its 10 dimensions for 95 % of the energy:")


def test_where_all_fields_need_as_many_none_needs_more() -> None:
    assert "while others" not in recommend(single(6, 6)).reason


def test_where_no_field_needs_half_of_them_fewer_dimensions_hold_the_same() -> None:
    found = recommend(single(2, 5, 3))
    assert found.advice == "fewer dimensions"
    assert "No field needs more than 5 of 10 dimensions" in found.reason


def test_sets_that_span_the_same_space_are_too_many() -> None:
    base = matrix(9)
    field = measured_field("a", [base, base.flip(1), 2 * base])
    found = recommend([field])
    assert (found.advice, "0.00" in found.reason) == ("fewer sets", True)


def test_fields_whose_rows_are_the_limit_have_no_say() -> None:
    few_rows = measured_field("gender", [torch.eye(3, 10)])
    assert recommend([few_rows, *single(9)]).advice == "nothing"
    assert recommend([few_rows]).reason.startswith("No field has more rows")


def test_diverse_sets_are_judged_side_by_side() -> None:
    field = measured_field("a", [matrix(10, seed=0), matrix(10, seed=1)])
    assert recommend([field]).advice == "nothing"


def test_nothing_has_collapsed_in_random_matrices_of_hardly_more_rows_than_columns() -> None:
    generator = torch.Generator().manual_seed(0)
    fields = [measured_field(f"f{n}", [torch.randn(n, 40, generator=generator)]) for n in (41, 50)]
    assert recommend(fields).advice == "nothing"
