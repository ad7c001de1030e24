"""The toy experiment: interacting with a field of low information abundance collapses a table.

    python -m pipeline.study.toy_experiment specs/paper/toy.toml

Section 4.1 and Appendix G of the paper. Three fields with tables E_1 (D_1, K), E_2 (D_2, K) and
E_3 (D_3, K), all from N(0, 1). For every pair (x_1, x_2) there is one row, whose x_3 and label are
uniform at random. The logit is <e_1, e_2> + <e_1, e_3> + <e_2, e_3>. E_1 is trained by full-batch
gradient descent on the logistic loss, E_2 and E_3 stay. With few rows in E_3 its information
abundance is low, and that of E_1 is dragged down. Takes about 3 s a seed and case.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.console import run_entry_point, spec_arguments
from pipeline.data.whole_files import write_whole
from pipeline.diagnostics.spectrum import information_abundance
from pipeline.spec_file import load_section
from pipeline.spec_study import ToySpec
from pipeline.study.significance import compare
from pipeline.study.toy_picture import draw

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class ToyData:
    """The tables at the start, and the rows: one for each x_1 and x_2.

    Attributes:
        tables: E_1, E_2, E_3.
        third: (D_1, D_2) x_3.
        labels: (D_1, D_2) of 0 and 1.
    """

    tables: tuple[Matrix, Matrix, Matrix]
    third: NDArray[np.int64]
    labels: Matrix


@dataclass(frozen=True)
class Curves:
    """Information abundance of E_1 in the runs of one case.

    Attributes:
        rows_3: D_3.
        values: (seeds, points) at the recorded steps.
        third: (seeds,) that of E_3.
    """

    rows_3: int
    values: Matrix
    third: Matrix


def main(arguments: list[str]) -> None:
    """``SPEC [key=value ...]``."""
    path, overrides = spec_arguments(arguments, __doc__)
    toy = load_section(ToySpec, Path(path), overrides)
    low, high = (measure_case(toy, rows_3) for rows_3 in (toy.low, toy.high))
    picture = Path(toy.picture)
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_whole(picture, draw(recorded_steps(toy), low.values, high.values, toy))
    facts = summary(toy, low, high)
    write_whole(picture.with_suffix(".json"), (json.dumps(facts, indent=1) + "\n").encode())
    print(f"information abundance of E_1 after {toy.steps} steps, {len(toy.seeds)} seeds:")
    for case in ("low", "high"):
        print(
            f"  D_3 = {facts[case]['rows_3']}: {facts[case]['mean']} ± {facts[case]['deviation']}"
        )
    print(f"  high - low: {facts['difference']}, paired t over seeds p = {facts['p']}")
    print(f"picture: {picture}")


def measure_case(toy: ToySpec, rows_3: int) -> Curves:
    """Trains E_1 with each seed beside an E_3 of ``rows_3`` rows."""
    starts = [draw_data(toy, rows_3, seed) for seed in toy.seeds]
    return Curves(
        rows_3,
        values=np.stack([train(toy, data) for data in starts]),
        third=np.array([_abundance(data.tables[2]) for data in starts]),
    )


def draw_data(toy: ToySpec, rows_3: int, seed: int) -> ToyData:
    """The tables and rows of a seed; E_1, E_2 and labels do not depend on ``rows_3``."""
    rng = np.random.default_rng(seed)
    shape = (toy.rows_1, toy.rows_2)
    first, second = (rng.standard_normal((rows, toy.embedding_dim)) for rows in shape)
    labels = rng.integers(0, 2, shape).astype(np.float64)
    third = rng.integers(0, rows_3, shape)
    return ToyData((first, second, rng.standard_normal((rows_3, toy.embedding_dim))), third, labels)


def train(toy: ToySpec, data: ToyData) -> Matrix:
    """(points,) the information abundance of E_1 at the recorded steps, the start among them."""
    first, second, third = data.tables
    met = third[data.third]  # (D_1, D_2, K)
    # What E_1 is multiplied with to give a row's logit, and the part of it that E_1 is not in.
    partner = second[None, :, :] + met
    fixed = np.einsum("jk,ijk->ij", second, met)
    recorded = [_abundance(first)]
    for step in range(1, toy.steps + 1):
        first = first - toy.learning_rate * gradient(first, partner, fixed, data.labels)
        if step % toy.record_every == 0:
            recorded.append(_abundance(first))
    return np.array(recorded)


def gradient(first: Matrix, partner: Matrix, fixed: Matrix, labels: Matrix) -> Matrix:
    """(D_1, K) of the mean logistic loss in E_1.

    Args:
        first: (D_1, K) E_1.
        partner: (D_1, D_2, K) e_2 + e_3 of each row.
        fixed: (D_1, D_2) <e_2, e_3> of each row.
        labels: (D_1, D_2).
    """
    logits = (partner @ first[:, :, None])[:, :, 0] + fixed
    # The logistic function without overflow: 1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2.
    residual = (0.5 * (1 + np.tanh(0.5 * logits)) - labels) / labels.size
    return (residual[:, None, :] @ partner)[:, 0, :]


def _abundance(table: Matrix) -> float:
    return information_abundance(torch.linalg.svdvals(torch.from_numpy(table)))


def recorded_steps(toy: ToySpec) -> list[int]:
    """The steps after which information abundance is measured."""
    return list(range(0, toy.steps + 1, toy.record_every))


def summary(toy: ToySpec, low: Curves, high: Curves) -> dict[str, Any]:
    """The figures at the last step, and the curves."""
    comparison = compare(
        dict(zip(toy.seeds, high.values[:, -1].tolist(), strict=True)),
        dict(zip(toy.seeds, low.values[:, -1].tolist(), strict=True)),
    )
    assert comparison is not None
    return {
        "settings": toy.model_dump(mode="json"),
        "difference": round(comparison.difference, 3),
        "p": comparison.p,
        "low": _case(low),
        "high": _case(high),
        "steps": recorded_steps(toy),
    }


def _case(curves: Curves) -> dict[str, Any]:
    last = curves.values[:, -1].tolist()
    return {
        "rows_3": curves.rows_3,
        "mean": round(fmean(last), 3),
        "deviation": round(stdev(last), 3),
        "last_by_seed": [round(value, 3) for value in last],
        "start": round(float(curves.values[:, 0].mean()), 3),
        "information_abundance_of_e3": round(float(curves.third.mean()), 3),
        "mean_by_step": [round(float(value), 3) for value in curves.values.mean(axis=0)],
    }


if __name__ == "__main__":
    run_entry_point(main)
