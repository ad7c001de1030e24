import pytest
import torch
from interaction_laws import InteractionLaws, build, embeddings_for, hidden_block
from single_embedding_laws import MLP, SingleEmbeddingLaws, block_parameters
from torch import Tensor, nn

from pipeline.console import InputError
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.interactions.regularized_dcnv2 import RegularizedDCNv2
from pipeline.model.multi_embedding import MultiEmbedding

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
    widest = 160

    def made(self, fields: int, size: int, sets: int) -> tuple[Interaction, Tensor]:
        interaction, embeddings = super().made(fields, size, sets)
        with torch.no_grad():
            for scale in interaction.scales:
                scale.normal_()
        return interaction, embeddings

    def naive(self, interaction: RegularizedDCNv2, embeddings: Tensor) -> Tensor:
        """x_(l+1) = x_0 * (V_l x_l + b_l) + x_l, where V_l's block (j, i) is s_ij W_(i->j)."""
        size, outputs = embeddings.shape[3], []
        ones = torch.ones(size, size, dtype=torch.float64)
        for place, of_set in enumerate(embeddings):
            crossed = []
            for row in of_set:
                first = x = torch.cat(list(row))
                for weight, scale, bias in zip(
                    interaction.weights, interaction.scales, interaction.biases, strict=True
                ):
                    scaled = torch.kron(scale[place].T.contiguous(), ones) * weight[place].T
                    x = first * (scaled @ x + bias[place, 0]) + x
                crossed.append(x)
            outputs.append(hidden_block(interaction.projection, place, torch.stack(crossed)))
        return torch.stack(outputs)


class ScaledCrosses(nn.Module):
    """x_(l+1) = x_0 * (W_l x_l + b_l) + x_l with the blocks of W_l scaled."""

    def __init__(self, interaction: RegularizedDCNv2) -> None:
        super().__init__()
        copies = [
            [nn.Parameter(parameter[0].detach().clone()) for parameter in layer]
            for layer in zip(
                interaction.weights, interaction.scales, interaction.biases, strict=True
            )
        ]
        self.layers = nn.ModuleList(map(nn.ParameterList, copies))

    def forward(self, embeddings: Tensor) -> Tensor:
        first = x = embeddings.flatten(1)
        ones = torch.ones(embeddings.shape[2], embeddings.shape[2])
        for weight, scale, bias in self.layers:
            x = first * (x @ (torch.kron(scale, ones) * weight) + bias) + x
        return x


class TestOneSet(SingleEmbeddingLaws):
    name = NAME

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        return nn.Sequential(ScaledCrosses(model.dense.interactions[0]), MLP(model))

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        width = fields * size
        layers = 4 * (width * width + fields * fields + width)
        return layers + block_parameters(width, hidden)


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


class _Penalty(nn.Module):
    """The penalty as a forward pass, whose weights a test can replace."""

    def __init__(self, of: RegularizedDCNv2) -> None:
        super().__init__()
        self.of = of

    def forward(self) -> Tensor:
        return self.of.penalty()


def test_low_rank_is_refused() -> None:
    with pytest.raises(InputError, match=r"model\.dcnv2\.rank is 3"):
        build(NAME, 3, 4, 2, {"dcnv2": {"rank": 3}})
