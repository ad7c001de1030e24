"""The interactions against their formulas, written out set by set and row by row."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchrec.modules.crossnet import CrossNet

from pipeline.model.interactions.build import build_interaction
from pipeline.model.interactions.dcnv2 import DCNv2
from pipeline.model.interactions.dnn import DNN
from pipeline.model.layers import HiddenBlock
from pipeline.spec_model import DCNv2Spec, GroupSpec, ModelSpec

HIDDEN, ROWS = 6, 3
Interaction = DNN | DCNv2


def build(name: str, fields: int, size: int, sets: int, layers: int = 2) -> Interaction:
    """An interaction in float64 whose biases are not 0."""
    torch.manual_seed(fields + 100 * size + 10_000 * sets)
    group = GroupSpec.model_validate({"interaction": name, "sets": sets, "embedding_dim": size})
    spec = ModelSpec(hidden_dim=HIDDEN, dropout=0.0, dcnv2=DCNv2Spec(layers=layers))
    interaction = build_interaction(fields, group, spec).double()
    assert isinstance(interaction, DNN | DCNv2)
    with torch.no_grad():
        for name_, parameter in interaction.named_parameters():
            if "bias" in name_:
                parameter.normal_()
    return interaction


def embeddings_of(fields: int, size: int, sets: int) -> Tensor:
    generator = torch.Generator().manual_seed(fields + size + sets)
    return torch.randn(sets, ROWS, fields, size, generator=generator, dtype=torch.float64)


def hidden_block(block: HiddenBlock, place: int, inputs: Tensor) -> Tensor:
    """ReLU(gamma (x W - mean) / sqrt(var + eps) + beta) over the rows (B, in)."""
    linear, norm = block[0], block[1]
    hidden = inputs @ linear.weight[place]
    mean = hidden.sum(0) / ROWS
    variance = (hidden - mean).square().sum(0) / ROWS
    normal = (hidden - mean) / (variance + 1e-5).sqrt()
    return (normal * norm.weight[place] + norm.bias[place]).clamp_min(0)


def naive_dnn(interaction: Interaction, embeddings: Tensor) -> Tensor:
    rows = [torch.stack([torch.cat(list(row)) for row in of_set]) for of_set in embeddings]
    return torch.stack(
        [hidden_block(interaction.projection, place, x) for place, x in enumerate(rows)]
    )


def naive_dcnv2(interaction: Interaction, embeddings: Tensor) -> Tensor:
    """x_(l+1) = x_0 * (W_l x_l + b_l) + x_l for each set and row, then the projection."""
    assert isinstance(interaction, DCNv2)
    outputs = []
    for place, of_set in enumerate(embeddings):
        crossed = []
        for row in of_set:
            first = x = torch.cat(list(row))
            for weight, bias in zip(interaction.weights, interaction.biases, strict=True):
                x = first * (weight[place].T @ x + bias[place, 0]) + x
            crossed.append(x)
        outputs.append(hidden_block(interaction.projection, place, torch.stack(crossed)))
    return torch.stack(outputs)


NAIVE: dict[str, Callable[[Interaction, Tensor], Tensor]] = {
    "dnn": naive_dnn,
    "dcnv2": naive_dcnv2,
}


def assert_agrees_with_formula(name: str, fields: int, size: int, sets: int) -> None:
    interaction = build(name, fields, size, sets)
    embeddings = embeddings_of(fields, size, sets).requires_grad_()
    ours, theirs = interaction(embeddings), NAIVE[name](interaction, embeddings)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)

    weights = torch.linspace(-1, 1, ours.numel(), dtype=torch.float64).view_as(ours)
    variables = [embeddings, *interaction.parameters()]
    our_gradients = torch.autograd.grad((ours * weights).sum(), variables)
    their_gradients = torch.autograd.grad((theirs * weights).sum(), variables)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        scale = max(1.0, their.abs().max().item())
        torch.testing.assert_close(our / scale, their / scale, rtol=0, atol=1e-10)


# Cross layers are (F K)^2: F K is at most 160 here, which keeps an example at a few milliseconds.
SIZES = st.integers(2, 40).flatmap(
    lambda fields: st.tuples(st.just(fields), st.integers(1, min(64, 160 // fields)))
)


@pytest.mark.parametrize("name", ["dnn", "dcnv2"])
class TestFormula:
    @given(size=SIZES, sets=st.integers(1, 10))
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_outputs_and_gradients_agree(self, name: str, size: tuple[int, int], sets: int) -> None:
        assert_agrees_with_formula(name, *size, sets)

    @pytest.mark.parametrize(
        ("fields", "size", "sets"), [(2, 1, 1), (2, 64, 10), (40, 1, 10), (40, 10, 1)]
    )
    def test_outputs_and_gradients_agree_at_the_corners(
        self, name: str, fields: int, size: int, sets: int
    ) -> None:
        assert_agrees_with_formula(name, fields, size, sets)

    @pytest.mark.parametrize(("fields", "size", "sets"), [(2, 1, 1), (10, 10, 4), (39, 4, 2)])
    def test_float32_is_within_1e_4_of_the_norm(
        self, name: str, fields: int, size: int, sets: int
    ) -> None:
        interaction, embeddings = build(name, fields, size, sets), embeddings_of(fields, size, sets)
        expected = NAIVE[name](interaction, embeddings)
        found = interaction.float()(embeddings.float())
        assert found.dtype == torch.float32
        assert (found - expected).norm() <= 1e-4 * expected.norm()

    def test_a_set_depends_on_its_own_embeddings_only(self, name: str) -> None:
        interaction, embeddings = build(name, 5, 4, 3), embeddings_of(5, 4, 3)
        before = interaction(embeddings)
        embeddings[1] += 1
        after = interaction(embeddings)
        assert torch.equal(before[[0, 2]], after[[0, 2]])
        assert not torch.equal(before[1], after[1])

    def test_a_set_depends_on_its_own_weights_only(self, name: str) -> None:
        interaction, embeddings = build(name, 5, 4, 3), embeddings_of(5, 4, 3)
        before = interaction(embeddings)
        with torch.no_grad():
            for parameter in interaction.parameters():
                parameter[1] += torch.rand_like(parameter[1])
        after = interaction(embeddings)
        assert torch.equal(before[[0, 2]], after[[0, 2]])
        assert not torch.equal(before[1], after[1])

    def test_sets_start_with_weights_of_their_own(self, name: str) -> None:
        interaction = build(name, 5, 4, 2)
        same = embeddings_of(5, 4, 1).expand(2, -1, -1, -1)
        outputs = interaction(same)
        assert not torch.allclose(outputs[0], outputs[1])


class TestCrossLayers:
    @pytest.mark.parametrize("layers", [1, 2, 4])
    def test_agree_with_torchrecs_cross_net(self, layers: int) -> None:
        interaction, embeddings = build("dcnv2", 6, 5, 3, layers), embeddings_of(6, 5, 3)
        assert isinstance(interaction, DCNv2)
        interaction.projection = nn.Identity()  # type: ignore[assignment]
        found = interaction(embeddings)
        for place in range(3):
            single = CrossNet(30, layers).double()
            for layer in range(layers):
                single.kernels[layer].data = interaction.weights[layer][place].T
                single.bias[layer].data = interaction.biases[layer][place].T
            expected = single(embeddings[place].flatten(1))
            torch.testing.assert_close(found[place], expected, rtol=1e-10, atol=1e-10)

    def test_start_xavier_uniform_for_every_set_with_bias_0(self) -> None:
        torch.manual_seed(0)
        group = GroupSpec(interaction="dcnv2", sets=2, embedding_dim=20)
        interaction = DCNv2(5, group, ModelSpec(hidden_dim=HIDDEN))
        bound = (6 / (100 + 100)) ** 0.5
        for weight, bias in zip(interaction.weights, interaction.biases, strict=True):
            assert weight.abs().max() <= bound
            # 10,000 uniform draws a set: the standard deviation is settled to 1 %.
            expected = torch.full((2,), bound / 3**0.5)
            torch.testing.assert_close(weight.std(dim=(1, 2)), expected, rtol=0.03, atol=0)
            assert torch.equal(bias, torch.zeros(2, 1, 100))

    def test_are_as_many_as_the_spec_says(self) -> None:
        group = GroupSpec(interaction="dcnv2", sets=2, embedding_dim=4)
        default = DCNv2(3, group, ModelSpec())
        two = DCNv2(3, group, ModelSpec(dcnv2=DCNv2Spec(layers=2)))
        assert (len(default.weights), len(two.weights)) == (4, 2)


def test_a_linear_interaction_of_sets_would_be_one_wide_set() -> None:
    """Appendix E: without its non-linearity, the mean over M sets is one set of M K columns."""
    interaction, embeddings = build("dnn", 4, 3, 5), embeddings_of(4, 3, 5)
    linear = interaction.projection[0]
    mean = linear(embeddings.flatten(2)).mean(dim=0)
    wide = embeddings.flatten(2).permute(1, 0, 2).flatten(1)
    one = wide @ (linear.weight / 5).flatten(0, 1)
    torch.testing.assert_close(mean, one)
    outputs = interaction(embeddings).mean(dim=0)
    assert not torch.allclose(outputs, one)
