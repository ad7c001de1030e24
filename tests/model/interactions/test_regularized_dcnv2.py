import pytest
import torch
from interaction_laws import InteractionLaws, build, embeddings_for, hidden_block
from torch import Tensor

from pipeline.console import InputError
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.interactions.regularized_dcnv2 import RegularizedDCNv2

NAME = "regularized_dcnv2"


def blocks_of(interaction: RegularizedDCNv2, layer: int, place: int) -> dict[tuple, Tensor]:
    """W_(i->j) by (i, j) of W x, x = [e_1, .., e_F]: it stands in row j and column i."""
    matrix, fields = interaction.weights[layer][place].T, interaction.scales[layer].shape[1]
    return {
        (i, j): block
        for j, rows in enumerate(matrix.tensor_split(fields, dim=0))
        for i, block in enumerate(rows.tensor_split(fields, dim=1))
    }


class TestRegularizedDCNv2(InteractionLaws):
    name = NAME
    model = {"dcnv2": {"layers": 2}}  # noqa: RUF012
    widest = 80

    def made(self, fields: int, size: int, sets: int) -> tuple[Interaction, Tensor]:
        interaction, embeddings = super().made(fields, size, sets)
        with torch.no_grad():
            for scale in interaction.scales:
                scale.normal_()
        return interaction, embeddings

    def naive(self, interaction: RegularizedDCNv2, embeddings: Tensor) -> Tensor:
        """x_(l+1) = x_0 * (sum_i s_ij W_(i->j) x_i + b_l) + x_l, then the projection."""
        fields, outputs = embeddings.shape[2], []
        for place, of_set in enumerate(embeddings):
            first = x = of_set.unbind(1)
            for layer, bias in enumerate(interaction.biases):
                blocks = blocks_of(interaction, layer, place)
                scale = [row.unbind() for row in interaction.scales[layer][place].unbind()]
                shifts = bias[place, 0].view(fields, -1)
                x = [
                    first[j]
                    * (sum(scale[i][j] * x[i] @ blocks[i, j].T for i in range(fields)) + shifts[j])
                    + x[j]
                    for j in range(fields)
                ]
            outputs.append(hidden_block(interaction.projection, place, torch.cat(x, dim=1)))
        return torch.stack(outputs)


class TestScales:
    def test_start_where_the_model_is_dcnv2(self) -> None:
        ours, theirs = (build(name, 5, 3, 2) for name in (NAME, "dcnv2"))
        theirs.load_state_dict(ours.state_dict(), strict=False)
        embeddings = embeddings_for(ours, 5, 3, 2)
        torch.testing.assert_close(ours(embeddings), theirs(embeddings))

    def test_enter_the_norms_of_the_blocks(self) -> None:
        interaction = build(NAME, 3, 4, 2)
        with torch.no_grad():
            interaction.scales[1][0, 2, 1] = 3.0
        block = blocks_of(interaction, 1, 0)[2, 1]
        found = interaction.block_norms()[1, 0, 2, 1]
        torch.testing.assert_close(found, 9 * block.square().sum())


class TestPenalty:
    @pytest.mark.parametrize(("fields", "size", "sets"), [(3, 4, 1), (2, 1, 3), (4, 2, 2)])
    def test_is_the_distance_of_all_blocks_from_unitary_ones(
        self, fields: int, size: int, sets: int
    ) -> None:
        interaction = build(NAME, fields, size, sets, {"dcnv2": {"layers": 2}})
        expected = torch.zeros((), dtype=torch.float64)
        for layer in range(2):
            for place in range(sets):
                for block in blocks_of(interaction, layer, place).values():
                    # ||W W^T - I||_F^2 is sum (s^2 - 1)^2 over the singular values s.
                    expected += (torch.linalg.svdvals(block) ** 2 - 1).square().sum()
        torch.testing.assert_close(interaction.penalty(), 1e-5 * expected, rtol=1e-10, atol=0)

    def test_has_its_gradient(self) -> None:
        interaction = build(NAME, 2, 3, 2, {"dcnv2": {"layers": 1}})
        start = interaction.weights[0].detach().clone()

        def penalty(weight: Tensor) -> Tensor:
            return torch.func.functional_call(_Penalty(interaction), {"of.weights.0": weight}, ())

        assert torch.autograd.gradcheck(penalty, start.requires_grad_())

    def test_is_0_for_unitary_blocks_whatever_their_scales(self) -> None:
        interaction = build(NAME, 3, 4, 2)
        with torch.no_grad():
            for weight, scale in zip(interaction.weights, interaction.scales, strict=True):
                blocks = torch.linalg.qr(torch.randn(2, 3, 3, 4, 4, dtype=weight.dtype)).Q
                weight.copy_(blocks.transpose(2, 3).reshape_as(weight))
                scale.normal_()
        assert interaction.penalty().item() == pytest.approx(0, abs=1e-20)

    def test_weighs_what_the_spec_says(self) -> None:
        default = build(NAME, 3, 4, 2)
        heavy = build(NAME, 3, 4, 2, {"regularized_dcnv2": {"weight": 1e-2}})
        torch.testing.assert_close(heavy.penalty(), 1e3 * default.penalty())
        assert build(NAME, 3, 4, 2, {"regularized_dcnv2": {"weight": 0.0}}).penalty() is None


class _Penalty(torch.nn.Module):
    """The penalty as a forward pass, whose weights a test can replace."""

    def __init__(self, of: RegularizedDCNv2) -> None:
        super().__init__()
        self.of = of

    def forward(self) -> Tensor:
        return self.of.penalty()


def test_low_rank_is_refused() -> None:
    with pytest.raises(InputError, match=r"model\.dcnv2\.rank is 3"):
        build(NAME, 3, 4, 2, {"dcnv2": {"rank": 3}})
