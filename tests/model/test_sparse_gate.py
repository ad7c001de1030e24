"""The noisy top-k gate against Shazeer et al.'s equations, written out score by score."""

import math
from statistics import NormalDist, fmean, pvariance

import pytest
import torch
from torch import Tensor, nn

from pipeline.model.heads.gate import GateHead
from pipeline.model.heads.head import Gate, HeadInputs
from pipeline.model.heads.sparse_gate import SparseGateHead
from pipeline.spec_model import GateSpec, ModelSpec

TASKS, EXPERTS, ROWS = 2, 5, 6
INPUTS = HeadInputs(
    tasks=TASKS,
    experts=EXPERTS,
    fields=("user", "item"),
    widths=((EXPERTS, 3),),
    trained=((True, True),),
)


@pytest.fixture
def embeddings() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(EXPERTS, ROWS, 2, 3, dtype=torch.float64)]


def sparse_gate(top_k: int, noise: bool, balance_weight: float = 0.1) -> SparseGateHead:
    """A gate away from its start."""
    torch.manual_seed(2)
    gate = GateSpec(top_k=top_k, noise=noise, balance_weight=balance_weight)
    spec = ModelSpec(head="sparse_gate", sets=EXPERTS, gate=gate)
    head = SparseGateHead(INPUTS, spec).double()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.5)
    return head


def scores_of(head: SparseGateHead, embeddings: list[Tensor], seed: int) -> list[list[list[float]]]:
    """(T, S, B), with the noise that the seed draws (equation 4)."""
    clean, raw = head.scores(embeddings), head.deviations(embeddings)
    torch.manual_seed(seed)
    noise = torch.randn_like(clean)
    return (clean + noise * (1 + raw.exp()).log()).tolist()


def kept_by(row: list[float], top_k: int) -> list[int]:
    return sorted(range(len(row)), key=lambda expert: -row[expert])[:top_k]


def softmax_over(row: list[float], kept: list[int]) -> list[float]:
    total = sum(math.exp(row[expert]) for expert in kept)
    return [math.exp(score) / total if s in kept else 0.0 for s, score in enumerate(row)]


def squared_variation(values: list[float]) -> float:
    return pvariance(values) / fmean(values) ** 2


@pytest.mark.parametrize("top_k", [1, 2, 4, 5])
def test_weights_are_the_softmax_of_the_kept_noisy_scores(
    top_k: int, embeddings: list[Tensor]
) -> None:
    head = sparse_gate(top_k, noise=True)
    expected = scores_of(head, embeddings, seed=7)
    torch.manual_seed(7)
    found = head(embeddings).weights
    for task in range(TASKS):
        for row in range(ROWS):
            scores = [expected[task][s][row] for s in range(EXPERTS)]
            weights = softmax_over(scores, kept_by(scores, top_k))
            assert found[task, :, row].tolist() == pytest.approx(weights, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_the_penalty_is_the_importance_and_load_losses(
    top_k: int, embeddings: list[Tensor]
) -> None:
    head = sparse_gate(top_k, noise=True, balance_weight=0.3)
    noisy = scores_of(head, embeddings, seed=7)
    clean = head.scores(embeddings).tolist()
    deviation = (1 + head.deviations(embeddings).exp()).log().tolist()
    expected = 0.0
    for task in range(TASKS):
        importance, load = [0.0] * EXPERTS, [0.0] * EXPERTS
        for row in range(ROWS):
            scores = [noisy[task][s][row] for s in range(EXPERTS)]
            weights = softmax_over(scores, kept_by(scores, top_k))
            for s in range(EXPERTS):
                others = sorted((scores[o] for o in range(EXPERTS) if o != s), reverse=True)
                above = clean[task][s][row] - others[top_k - 1]
                load[s] += NormalDist().cdf(above / deviation[task][s][row])
                importance[s] += weights[s]
        expected += squared_variation(importance) + squared_variation(load)
    torch.manual_seed(7)
    assert head(embeddings).penalty.item() == pytest.approx(0.3 * expected, rel=1e-10)


def test_without_noise_the_penalty_is_the_importance_loss(embeddings: list[Tensor]) -> None:
    gate = sparse_gate(2, noise=False, balance_weight=0.3)(embeddings)
    importance = [of_task.sum(dim=1).tolist() for of_task in gate.weights]
    expected = 0.3 * sum(map(squared_variation, importance))
    assert gate.penalty.item() == pytest.approx(expected, rel=1e-12)


def test_all_experts_kept_without_noise_are_the_dense_gate(embeddings: list[Tensor]) -> None:
    sparse = sparse_gate(EXPERTS, noise=False)
    dense = GateHead(INPUTS, ModelSpec(head="gate", sets=EXPERTS)).double()
    dense.load_state_dict(sparse.state_dict())
    assert torch.equal(sparse(embeddings).weights, dense(embeddings).weights)


def test_noise_is_drawn_in_training_alone(embeddings: list[Tensor]) -> None:
    head = sparse_gate(2, noise=True)
    assert not torch.equal(head(embeddings).weights, head(embeddings).weights)
    head.eval()
    first, second = head(embeddings), head(embeddings)
    assert torch.equal(first.weights, second.weights)
    assert first.penalty is None
    still = sparse_gate(2, noise=False)
    still.scores.load_state_dict(head.scores.state_dict())
    assert torch.equal(first.weights, still(embeddings).weights)


def test_the_same_seed_draws_the_same_noise(embeddings: list[Tensor]) -> None:
    head = sparse_gate(2, noise=True)
    gates: list[Gate] = []
    for _ in range(2):
        torch.manual_seed(11)
        gates.append(head(embeddings))
    assert torch.equal(gates[0].weights, gates[1].weights)
    assert torch.equal(gates[0].penalty, gates[1].penalty)


def test_gradients_are_those_of_small_differences(embeddings: list[Tensor]) -> None:
    head = sparse_gate(2, noise=True)
    names, values = zip(*head.named_parameters(), strict=True)

    def outcome(*parameters: Tensor) -> tuple[Tensor, Tensor]:
        torch.manual_seed(3)
        state = dict(zip(names, parameters, strict=True))
        gate = torch.func.functional_call(head, state, (embeddings,))
        return gate.weights, gate.penalty

    assert torch.autograd.gradcheck(outcome, values, fast_mode=True)


def loads_after_training(balance_weight: float) -> list[float]:
    """Kept shares of four experts, the first two of which predict a toy's target better."""
    torch.manual_seed(0)
    inputs = HeadInputs(1, 4, ("user",), ((1, 4),), ((True,),))
    gate = GateSpec(top_k=2, balance_weight=balance_weight)
    head = SparseGateHead(inputs, ModelSpec(head="sparse_gate", gate=gate))
    outputs = torch.tensor([0.0, 0.2, 1.0, 1.0])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(200):
        weights, penalty = head([torch.randn(1, 128, 1, 4)])
        mistakes = torch.einsum("sb,s->b", weights[0], outputs)
        optimizer.zero_grad()
        (mistakes.square().mean() + penalty).backward()
        optimizer.step()
    kept = head([torch.randn(1, 4096, 1, 4)]).weights[0] > 0
    return kept.float().mean(dim=1).tolist()


def test_the_balance_keeps_loads_even() -> None:
    assert loads_after_training(1.0) == pytest.approx([0.5] * 4, abs=0.1)


def test_without_the_balance_the_better_experts_take_nearly_all_rows() -> None:
    loads = loads_after_training(0.0)
    assert min(loads[:2]) > 0.9
    assert max(loads[2:]) < 0.1


def test_one_kept_expert_weighs_1_and_is_chosen_by_the_balance_alone(
    embeddings: list[Tensor],
) -> None:
    head = sparse_gate(1, noise=True)
    weights, penalty = head(embeddings)
    assert set(weights.unique().tolist()) == {0.0, 1.0}
    (weights * torch.randn_like(weights)).sum().backward(retain_graph=True)
    assert all(parameter.grad.abs().max() == 0 for parameter in head.parameters())
    penalty.backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in head.parameters())


def test_a_model_trains_through_it() -> None:
    head = sparse_gate(2, noise=True).float()
    outputs = nn.Parameter(torch.randn(EXPERTS, ROWS))
    weights, penalty = head([torch.randn(EXPERTS, ROWS, 2, 3)])
    (torch.einsum("tsb,sb->tb", weights, outputs).sum() + penalty).backward()
    assert outputs.grad.abs().gt(0).equal(weights.gt(0).any(dim=0))
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
