"""Statistics of gates: means over rows, on weights that can be checked by eye."""

import math

import pytest
import torch

from pipeline.diagnostics.gates import gate_figures, gate_sums
from pipeline.spec_model import ModelSpec

MIXTURE = ModelSpec.model_validate(
    {
        "groups": [
            {"interaction": "dcnv2", "sets": 2, "embedding_dim": 4},
            {"interaction": "dnn", "sets": 1, "embedding_dim": 8},
        ]
    }
)
EXPERTS = ["g0 dcnv2 s0", "g0 dcnv2 s1", "g1 dnn s0"]


def rows_of(*rows: list[float]) -> torch.Tensor:
    """One task's gate (1, S, B) from each row's weights."""
    return torch.tensor(rows, dtype=torch.float64).T.unsqueeze(0)


def test_figures_are_means_over_rows() -> None:
    gate = rows_of([0.5, 0.25, 0.25], [0.1, 0.8, 0.1])
    figures = gate_figures(gate_sums(gate, torch.ones(2)), ["click"], MIXTURE)["click"]
    assert figures["weight"] == pytest.approx(dict(zip(EXPERTS, [0.3, 0.525, 0.175], strict=True)))
    entropies = [1.5 * math.log(2), -(0.8 * math.log(0.8) + 0.2 * math.log(0.1))]
    assert figures["entropy"] == pytest.approx(sum(entropies) / 2 / math.log(3))


def test_the_load_of_a_dense_gate_is_where_the_weight_is_largest() -> None:
    gate = rows_of([0.5, 0.3, 0.2], [0.4, 0.35, 0.25], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1])
    figures = gate_figures(gate_sums(gate, torch.ones(4)), ["click"], MIXTURE)["click"]
    assert figures["load"] == dict(zip(EXPERTS, [0.75, 0.0, 0.25], strict=True))


def test_the_load_of_a_sparse_gate_is_where_the_expert_is_kept() -> None:
    gate = rows_of([0.9, 0.1, 0.0], [0.0, 0.4, 0.6], [0.2, 0.8, 0.0], [0.5, 0.0, 0.5])
    figures = gate_figures(gate_sums(gate, torch.ones(4)), ["click"], MIXTURE)["click"]
    assert figures["load"] == dict(zip(EXPERTS, [0.75, 0.75, 0.5], strict=True))


@pytest.mark.parametrize(("row", "entropy"), [([1 / 3] * 3, 1.0), ([0.0, 1.0, 0.0], 0.0)])
def test_entropy_is_1_for_equal_weights_and_0_for_one_expert(
    row: list[float], entropy: float
) -> None:
    figures = gate_figures(gate_sums(rows_of(row), torch.ones(1)), ["click"], MIXTURE)["click"]
    assert figures["entropy"] == pytest.approx(entropy, abs=1e-15)
    assert sum(figures["load"].values()) == 1


def test_a_single_expert_has_no_entropy() -> None:
    sums = gate_sums(torch.ones(1, 1, 5), torch.ones(5))
    figures = gate_figures(sums, ["click"], ModelSpec(sets=1))
    assert figures["click"] == {
        "entropy": 0.0,
        "weight": {"g0 dcnv2 s0": 1.0},
        "load": {"g0 dcnv2 s0": 1.0},
    }


def test_padding_rows_do_not_count() -> None:
    gate = rows_of([0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.1, 0.1, 0.8])
    padded = gate_sums(gate, torch.tensor([1.5, 1.5, 0.0]))
    assert torch.equal(padded, gate_sums(gate[:, :, :2], torch.ones(2)))


def test_sums_of_batches_add_up_for_each_task() -> None:
    torch.manual_seed(0)
    gate = torch.rand(2, 3, 40, dtype=torch.float64).softmax(dim=1)
    parts = [gate_sums(part, torch.ones(part.shape[2])) for part in gate.split(16, dim=2)]
    whole = gate_figures(gate_sums(gate, torch.ones(40)), ["click", "buy"], MIXTURE)
    together = gate_figures(sum(parts), ["click", "buy"], MIXTURE)
    for label, task in (("click", 0), ("buy", 1)):
        means = gate[task].mean(dim=1).tolist()
        assert list(whole[label]["weight"].values()) == pytest.approx(means)
        assert together[label]["weight"] == pytest.approx(whole[label]["weight"])
        assert together[label]["load"] == pytest.approx(whole[label]["load"])
