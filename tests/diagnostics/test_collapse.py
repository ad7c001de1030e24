import json
from collections.abc import Sequence
from statistics import fmean

import pytest
import torch
from measured_fields import measured_field, random_matrix
from torch import Tensor

from pipeline.diagnostics.collapse import analyse_field, split_diversity, summarise
from pipeline.diagnostics.field_gram import field_gram
from pipeline.diagnostics.gram_sum import gram


def abundance(matrix: Tensor) -> float:
    values = torch.linalg.svdvals(matrix)
    return float(values.sum() / values[0])


def column_space(matrix: Tensor) -> Tensor:
    left, values, _ = torch.linalg.svd(matrix, full_matrices=False)
    return left[:, values > 1e-4 * values[0]]


def direct_diversity(sets: Sequence[Tensor]) -> float:
    """Paper, Section 5.3, from the left singular vectors themselves."""
    bases = [column_space(matrix) for matrix in sets]
    return fmean(
        1 - float(torch.linalg.svdvals(bases[m].T @ bases[n]).mean())
        for m in range(len(sets))
        for n in range(m + 1, len(sets))
    )


def test_a_field_is_measured_by_set_and_with_all_sets_side_by_side() -> None:
    sets = [random_matrix(200, 4, seed=0), random_matrix(200, 6, seed=1)]

    found = measured_field("user", sets)

    assert (found.name, found.cardinality) == ("user", 200)
    assert [one.dimensions for one in found.sets] == [4, 6]
    assert found.together.dimensions == 10
    for one, matrix in zip(found.sets, sets, strict=True):
        assert one.information_abundance == pytest.approx(abundance(matrix), abs=1e-8)
    both = torch.cat(sets, dim=1)
    assert found.together.information_abundance == pytest.approx(abundance(both), abs=1e-8)


def test_singular_values_are_normalised_by_the_largest() -> None:
    matrix = 5 * random_matrix(100, 4)

    values = torch.linalg.svdvals(matrix)

    expected = (values / values[0]).tolist()
    assert measured_field("a", [matrix]).together.singular_values == pytest.approx(expected)


def test_sets_that_are_slices_of_a_padded_packed_table_are_measured_without_the_padding() -> None:
    sets = [random_matrix(50, 10, seed=m) for m in range(2)]
    packed = torch.cat([*sets, torch.full((50, 4), 99.0, dtype=torch.float64)], dim=1)

    found = measured_field("a", [packed[:, :10], packed[:, 10:20]])

    assert found == measured_field("a", sets)


def test_shards_of_rows_add_up() -> None:
    sets = [random_matrix(30, 3, seed=m) for m in range(3)]
    counts = torch.arange(30)
    parts = [
        field_gram("a", [matrix[rows] for matrix in sets], counts[rows])
        for rows in (slice(0, 11), slice(11, 30))
    ]

    found, whole = analyse_field(parts[0] + parts[1]), analyse_field(field_gram("a", sets, counts))

    assert found.cardinality == 30
    assert found.together.singular_values == pytest.approx(whole.together.singular_values)
    assert found.weighted.singular_values == pytest.approx(whole.weighted.singular_values)


def test_rows_that_do_not_occur_do_not_count_to_the_weighted_spectrum() -> None:
    trained, idle = random_matrix(20, 1) @ random_matrix(1, 6, seed=1), random_matrix(500, 6)
    counts = torch.cat([torch.full((20,), 9), torch.zeros(500)])

    found = analyse_field(field_gram("a", [torch.cat([trained, idle])], counts))

    assert found.weighted.information_abundance == pytest.approx(1, abs=1e-6)
    assert found.together.information_abundance > 4


def test_a_row_that_occurs_four_times_weighs_like_four_rows() -> None:
    matrix = random_matrix(5, 3)
    counts = torch.tensor([4, 1, 1, 1, 1])

    found = analyse_field(field_gram("a", [matrix], counts))

    repeated = torch.cat([matrix[:1].repeat(4, 1), matrix[1:]])
    assert found.weighted.information_abundance == pytest.approx(abundance(repeated), abs=1e-8)


def test_random_rows_have_the_information_abundance_of_a_random_matrix() -> None:
    found = measured_field("a", [random_matrix(4000, 5, seed=m) for m in range(2)])

    assert found.abundance_over_random == pytest.approx(1, abs=0.02)
    assert found.abundance_by_dimension == found.together.information_abundance / 10


DIVERSE = {
    "random": [random_matrix(500, 10, seed=m) for m in range(4)],
    "different sizes": [random_matrix(60, 3), random_matrix(60, 8, seed=1)],
    "overlapping": [random_matrix(100, 6), random_matrix(100, 6) + random_matrix(100, 6, seed=1)],
    "rank-deficient": [
        random_matrix(100, 2) @ random_matrix(2, 8, seed=1),
        random_matrix(100, 3, seed=2) @ random_matrix(3, 8, seed=3),
    ],
    "dead columns": [
        random_matrix(40, 5) * torch.tensor([1, 0, 1, 0, 1]),
        random_matrix(40, 5, seed=1),
    ],
    "ill-conditioned": [
        random_matrix(80, 4, seed=m) * torch.tensor([1.0, 0.1, 0.01, 0.001]) for m in range(3)
    ],
}


@pytest.mark.parametrize("sets", DIVERSE.values(), ids=DIVERSE.keys())
def test_diversity_agrees_with_principal_angles_from_singular_vectors(sets: list[Tensor]) -> None:
    assert measured_field("a", sets).diversity == pytest.approx(direct_diversity(sets), abs=1e-7)


def test_sets_of_the_same_column_space_have_no_diversity() -> None:
    matrix = random_matrix(100, 5)
    rotated = matrix @ random_matrix(5, 5, seed=1)

    assert measured_field("a", [matrix, rotated]).diversity == pytest.approx(0, abs=1e-6)


def test_sets_of_orthogonal_column_spaces_have_diversity_1() -> None:
    basis = torch.linalg.qr(random_matrix(50, 8)).Q

    found = measured_field("a", [basis[:, :4], basis[:, 4:]])

    assert found.diversity == pytest.approx(1, abs=1e-6)


def test_a_field_of_no_more_rows_than_columns_has_no_diversity() -> None:
    found = measured_field("a", [random_matrix(4, 10, seed=m) for m in range(3)])

    assert found.diversity == pytest.approx(0, abs=1e-6)


def test_a_set_that_is_the_zero_matrix_adds_no_diversity() -> None:
    found = measured_field("a", [random_matrix(40, 3), torch.zeros(40, 3, dtype=torch.float64)])

    assert found.diversity == 0
    assert found.sets[1].information_abundance == 0


def test_a_single_set_has_no_diversity() -> None:
    found = measured_field("a", [random_matrix(40, 3)])

    assert found.diversity is None
    assert found.sets == (found.together,)


def test_parts_of_a_single_set_are_compared_like_as_many_sets() -> None:
    matrices = [random_matrix(100, 12), random_matrix(60, 12, seed=1)]
    grams = [field_gram("a", [matrix], torch.ones(len(matrix))) for matrix in matrices]

    found = split_diversity(grams)

    assert list(found) == ["2", "3", "4", "6"]
    for parts, diversity in found.items():
        expected = [direct_diversity(matrix.chunk(int(parts), dim=1)) for matrix in matrices]
        assert diversity == pytest.approx(fmean(expected), abs=1e-7)


def test_the_verdict_counts_the_dimensions_that_carry_the_energy() -> None:
    basis = torch.linalg.qr(random_matrix(100, 10)).Q
    collapsed = basis * torch.tensor([10.0, 9.0, 8.0] + [0.1] * 7)

    found = measured_field("a", [collapsed])

    assert found.verdict == "3 of 10 dimensions carry 95 % of the energy"
    assert found.used_share == pytest.approx(0.3, abs=0.02)
    assert found.level == "collapsed"


def test_the_verdict_says_when_the_rows_are_the_limit() -> None:
    found = measured_field("a", [torch.eye(3, 10)])

    assert found.verdict == "3 of 3 possible dimensions carry 95 % of the energy"
    assert found.used_share == pytest.approx(1, abs=0.02)
    assert found.level == "spread"


@pytest.mark.parametrize("shape", [(41, 40), (120, 100), (11, 10), (30, 40)])
def test_a_random_matrix_of_any_shape_is_spread(shape: tuple[int, int]) -> None:
    found = measured_field("a", [random_matrix(*shape)])

    assert found.used_share == pytest.approx(1, abs=0.15)
    assert found.level == "spread"
    assert "in a random matrix" in found.verdict


def test_the_verdict_of_the_zero_matrix() -> None:
    assert measured_field("a", [torch.zeros(9, 4)]).verdict == "all 4 dimensions are zero"


def test_the_summary_is_json_with_every_field_and_set() -> None:
    fields = [
        measured_field("user", [random_matrix(90, 4, seed=m) for m in range(2)]),
        measured_field("item", [random_matrix(30, 4, seed=m) for m in range(2, 4)]),
    ]

    summary = json.loads(json.dumps(summarise(fields)))

    abundances = summary["information_abundance"]
    user = torch.cat([random_matrix(90, 4, seed=m) for m in range(2)], dim=1)
    assert list(abundances["fields"]) == ["user", "item"]
    assert abundances["fields"]["user"]["all"] == pytest.approx(abundance(user))
    assert len(abundances["fields"]["item"]["sets"]) == 2
    assert abundances["fields"]["item"]["random"] == fields[1].random_abundance
    assert abundances["fields"]["item"]["weighted"] == pytest.approx(
        abundances["fields"]["item"]["all"]
    )
    assert abundances["mean"] == pytest.approx(
        (abundances["fields"]["user"]["all"] + abundances["fields"]["item"]["all"]) / 2
    )
    assert summary["cardinality"] == {"user": 90, "item": 30}
    assert summary["diversity"]["mean"] == pytest.approx(
        fmean(summary["diversity"]["fields"].values())
    )


def test_the_summary_of_single_embedding_has_no_diversity() -> None:
    assert "diversity" not in summarise([measured_field("a", [random_matrix(9, 2)])])


def test_float32_tables_are_measured_in_float64() -> None:
    matrix = random_matrix(1000, 8).float()

    found = measured_field("a", [matrix]).together.information_abundance

    assert found == pytest.approx(abundance(matrix.double()), abs=1e-9)
    assert gram(matrix).dtype == torch.float64
