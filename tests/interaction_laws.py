"""What holds for every interaction, as a class that the tests of each one inherit."""

from typing import Any, ClassVar

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.model import row_blocks
from pipeline.model.interactions.build import build_interaction
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.layers import HiddenBlock
from pipeline.spec_model import GroupSpec, ModelSpec

HIDDEN, ROWS = 6, 3


def build(
    name: str, fields: int, size: int, sets: int, model: dict[str, Any] | None = None
) -> Interaction:
    """An interaction in float64, without dropout, whose biases are not 0.

    ``model`` has further settings of the spec's model section.
    """
    torch.manual_seed(fields + 100 * size + 10_000 * sets)
    group = GroupSpec.model_validate({"interaction": name, "sets": sets, "embedding_dim": size})
    spec = ModelSpec.model_validate({"hidden_dim": HIDDEN, "dropout": 0.0, **(model or {})})
    interaction = build_interaction(fields, group, spec).double()
    with torch.no_grad():
        for parameter_name, parameter in interaction.named_parameters():
            if "bias" in parameter_name:
                parameter.normal_()
    return interaction


def embeddings_for(interaction: Interaction, fields: int, size: int, sets: int) -> Tensor:
    """Random embeddings (M, B, F, C) in float64."""
    columns = interaction.table_columns(fields, size)
    generator = torch.Generator().manual_seed(fields + size + sets)
    return torch.randn(sets, ROWS, fields, columns, generator=generator, dtype=torch.float64)


def hidden_block(block: HiddenBlock, place: int, inputs: Tensor) -> Tensor:
    """ReLU(gamma (x W - mean) / sqrt(var + eps) + beta) over the rows (B, in) of one set."""
    linear, norm = block[0], block[1]
    hidden = inputs @ linear.weight[place]
    mean = hidden.sum(0) / ROWS
    variance = (hidden - mean).square().sum(0) / ROWS
    normal = (hidden - mean) / (variance + 1e-5).sqrt()
    return (normal * norm.weight[place] + norm.bias[place]).clamp_min(0)


def assert_agree(ours: Tensor, theirs: Tensor, variables: list[Tensor]) -> None:
    """Outputs and the gradients of all variables agree to 1e-10."""
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    weights = torch.linspace(-1, 1, ours.numel(), dtype=torch.float64).view_as(ours)
    our_gradients = torch.autograd.grad((ours * weights).sum(), variables)
    their_gradients = torch.autograd.grad((theirs * weights).sum(), variables)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        scale = max(1.0, their.abs().max().item())
        torch.testing.assert_close(our / scale, their / scale, rtol=0, atol=1e-10)


class InteractionLaws:
    """A subclass names the interaction and writes its formula out, set by set and row by row.

    Attributes:
        name: in the registry.
        model: further settings of the spec's model section.
        widest: the largest F K drawn at random, which bounds an example's time.
        narrowest: the smallest K that it takes.
    """

    name: str
    model: ClassVar[dict[str, Any]] = {}
    widest = 160
    narrowest = 1

    def naive(self, interaction: Any, embeddings: Tensor) -> Tensor:
        """(M, B, F, C) -> (M, B, H) by loops, in float64."""
        raise AssertionError("a subclass writes the formula")

    def made(self, fields: int, size: int, sets: int) -> tuple[Interaction, Tensor]:
        """The interaction and embeddings for it."""
        interaction = build(self.name, fields, size, sets, self.model)
        return interaction, embeddings_for(interaction, fields, size, sets)

    def assert_agrees_with_formula(self, fields: int, size: int, sets: int) -> None:
        interaction, embeddings = self.made(fields, size, sets)
        embeddings.requires_grad_()
        variables = [embeddings, *interaction.parameters()]
        assert_agree(interaction(embeddings), self.naive(interaction, embeddings), variables)

    @given(data=st.data())
    @settings(
        max_examples=25,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
    )
    def test_outputs_and_gradients_agree(self, data: st.DataObject) -> None:
        fields = data.draw(st.integers(2, 40), "fields")
        size = data.draw(st.integers(self.narrowest, min(64, self.widest // fields)), "size")
        self.assert_agrees_with_formula(fields, size, data.draw(st.integers(1, 10), "sets"))

    @pytest.mark.parametrize(
        ("fields", "size", "sets"), [(2, 1, 1), (2, 64, 10), (40, 1, 10), (40, 10, 1)]
    )
    def test_outputs_and_gradients_agree_at_the_corners(
        self, fields: int, size: int, sets: int
    ) -> None:
        self.assert_agrees_with_formula(fields, max(size, self.narrowest), sets)

    @pytest.mark.parametrize(("fields", "size", "sets"), [(2, 1, 1), (10, 10, 4), (39, 4, 2)])
    def test_float32_is_within_1e_4_of_the_norm(self, fields: int, size: int, sets: int) -> None:
        interaction, embeddings = self.made(fields, max(size, self.narrowest), sets)
        expected = self.naive(interaction, embeddings.requires_grad_())
        variables = [embeddings, *interaction.parameters()]
        gradients = torch.autograd.grad(expected.square().sum(), variables)
        interaction, embeddings = interaction.float(), embeddings.detach().float().requires_grad_()
        found = interaction(embeddings)
        assert found.dtype == torch.float32
        variables = [embeddings, *interaction.parameters()]
        found_gradients = torch.autograd.grad(found.square().sum(), variables)
        assert (found - expected).norm() <= 1e-4 * expected.norm()
        # Before batch normalisation a gradient can be 0 but for rounding.
        least = 0.1 * max(gradient.norm() for gradient in gradients)
        for our, their in zip(found_gradients, gradients, strict=True):
            assert (our - their).norm() <= 1e-4 * their.norm().clamp_min(least)

    def test_a_set_depends_on_its_own_embeddings_only(self) -> None:
        interaction, embeddings = self.made(5, 4, 3)
        before = interaction(embeddings)
        embeddings[1] += 1
        after = interaction(embeddings)
        assert torch.equal(before[[0, 2]], after[[0, 2]])
        assert not torch.equal(before[1], after[1])

    def test_a_set_depends_on_its_own_weights_only(self) -> None:
        interaction, embeddings = self.made(5, 4, 3)
        before = interaction(embeddings)
        with torch.no_grad():
            for parameter in interaction.parameters():
                parameter[1] += torch.rand_like(parameter[1])
        after = interaction(embeddings)
        assert torch.equal(before[[0, 2]], after[[0, 2]])
        assert not torch.equal(before[1], after[1])

    def test_sets_start_with_weights_of_their_own(self) -> None:
        interaction, embeddings = self.made(5, 4, 2)
        outputs = interaction(embeddings[:1].expand(2, -1, -1, -1))
        assert not torch.allclose(outputs[0], outputs[1])

    def test_does_not_depend_on_the_blocks_of_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        interaction, embeddings = self.made(5, 4, 2)
        variables = [embeddings.requires_grad_(), *interaction.parameters()]

        def results() -> list[Tensor]:
            outputs = interaction(embeddings)
            return [outputs, *torch.autograd.grad(outputs.square().sum(), variables)]

        whole = results()
        monkeypatch.setitem(row_blocks.BLOCK_NUMBERS, "cpu", 1)
        for of_blocks, of_whole in zip(results(), whole, strict=True):
            torch.testing.assert_close(of_blocks, of_whole, rtol=1e-10, atol=1e-10)

    def test_bf16_is_close_to_float32_and_has_its_gradients(self) -> None:
        interaction = self.made(6, 4, 2)[0].float()
        rows = torch.randn(2, 64, 6, interaction.table_columns(6, 4), requires_grad=True)
        exact = interaction(rows)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = interaction(rows)
        # bf16 rounds by up to 2^-9, a few times in a row.
        assert (outputs - exact).norm() <= 0.02 * exact.norm()
        gradients = torch.autograd.grad(outputs.sum(), [rows, *interaction.parameters()])
        assert {gradient.dtype for gradient in gradients} == {torch.float32}
        assert all(gradient.isfinite().all() for gradient in gradients)

    def test_width_is_the_sum_of_its_streams(self) -> None:
        interaction, embeddings = self.made(5, 4, 2)
        assert interaction(embeddings).shape == (2, ROWS, sum(interaction.streams))
