from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.preparation.build import build
from pipeline.data.preparation.splits import split_of_rows

MASK = 2**64 - 1


def reference(row: int, ratios: tuple[float, float, float], seed: int) -> int:
    """SplitMix64 in Python's own integers."""

    def mix(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        return z ^ (z >> 31)

    gamma = 0x9E3779B97F4A7C15
    state = mix((seed + gamma) & MASK)
    uniform = (mix((state + (row + 1) * gamma) & MASK) >> 11) / 2**53
    total = sum(ratios)
    return int(uniform >= ratios[0] / total) + int(uniform >= (ratios[0] + ratios[1]) / total)


@given(first=st.integers(0, 2**40), seed=st.integers(0, 2**63))
def test_a_row_has_the_split_of_its_hash(first: int, seed: int) -> None:
    ratios = (0.5, 0.25, 0.25)
    expected = [reference(row, ratios, seed) for row in range(first, first + 20)]
    assert split_of_rows(first, 20, ratios, seed).tolist() == expected


@given(cut=st.integers(0, 1_000))
def test_a_rows_split_does_not_depend_on_the_chunk_it_is_in(cut: int) -> None:
    ratios = (0.8, 0.1, 0.1)
    whole = split_of_rows(0, 1_000, ratios, 7)
    pieces = [split_of_rows(0, cut, ratios, 7), split_of_rows(cut, 1_000 - cut, ratios, 7)]
    assert np.array_equal(whole, np.concatenate(pieces))


def test_shares_are_the_ratios() -> None:
    shares = np.bincount(split_of_rows(0, 400_000, (8, 1, 1), 0)) / 400_000
    # Five standard deviations of a binomial share.
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=5 * (0.16 / 400_000) ** 0.5)


def test_seeds_split_independently() -> None:
    first, second = (split_of_rows(0, 100_000, (0.5, 0.25, 0.25), seed) for seed in (0, 1))
    assert np.mean((first == 0) & (second == 0)) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("cuts", [[1], [100, 101, 350]])
def test_the_division_of_a_log_into_files_changes_no_part(
    make_spec, tmp_path: Path, header: bool, cuts: list[int]
) -> None:
    if header:
        rows = [f"{number % 2},{number % 7}\n" for number in range(400)]
        known = {"format": "csv", "fields": [{"name": "color"}], "bad_rows": "skip"}
    else:
        rows = [f"{number % 2}\t{number % 7}" + "\t" * 38 + "\n" for number in range(400)]
        known = {"format": "criteo", "bad_rows": "skip"}
    rows[50] = rows[200] = "bad\n"
    datasets = []
    for name, ends in (("whole", [0, 400]), ("pieces", [0, *cuts, 400])):
        for number, (start, stop) in enumerate(pairwise(ends)):
            first = "label,color\n" if header else ""
            (tmp_path / f"{name}-{number}").write_text(first + "".join(rows[start:stop]))
        directory = tmp_path / f"dataset of {name}"
        build(make_spec(source=f"{tmp_path}/{name}-*", directory=str(directory), **known), {}, 300)
        files = sorted(directory.rglob("*.parquet"))
        datasets.append({path.relative_to(directory): path.read_bytes() for path in files})
    assert len(datasets[0]) > 3
    assert datasets[0] == datasets[1]
