import pytest
import torch
from interaction_laws import InteractionLaws, build, embeddings_for, hidden_block
from single_embedding_laws import FIELDS, MLP, SingleEmbeddingLaws, block_parameters
from torch import Tensor, nn

from pipeline.console import InputError
from pipeline.model.interactions.ipnn import IPNN
from pipeline.model.multi_embedding import MultiEmbedding


def pair_products(row: Tensor) -> list[Tensor]:
    """<e_i, e_j> for i < j, of one row (F, K)."""
    fields = row.unbind(0)
    return [
        (fields[i] * fields[j]).sum() for i in range(len(fields)) for j in range(i + 1, len(fields))
    ]


class TestIPNN(InteractionLaws):
    name = "ipnn"
    widest = 40 * 64

    def naive(self, interaction: IPNN, embeddings: Tensor) -> Tensor:
        """The products of all pairs of each set and row, then the projection."""
        return torch.stack(
            [
                hidden_block(
                    interaction.projection,
                    place,
                    torch.stack([torch.stack(pair_products(row)) for row in of_set]),
                )
                for place, of_set in enumerate(embeddings)
            ]
        )


class TestFlattenedIPNN(InteractionLaws):
    name = "ipnn"
    widest = 40 * 64
    model = {"ipnn": {"flattened": True}}  # noqa: RUF012

    def naive(self, interaction: IPNN, embeddings: Tensor) -> Tensor:
        """[e_1, .., e_F, products] of each set and row, then the projection."""
        outputs = []
        for place, of_set in enumerate(embeddings):
            rows = [torch.cat([*row, torch.stack(pair_products(row))]) for row in of_set]
            outputs.append(hidden_block(interaction.projection, place, torch.stack(rows)))
        return torch.stack(outputs)


class PairProducts(nn.Module):
    """All pairs i < j in a tensor of their own; behind the flattened embeddings or alone."""

    def __init__(self, flattened: bool) -> None:
        super().__init__()
        self.flattened = flattened

    def forward(self, embeddings: Tensor) -> Tensor:
        left, right = torch.combinations(torch.arange(len(FIELDS))).T
        products = (embeddings[:, left] * embeddings[:, right]).sum(2)
        return torch.cat([embeddings.flatten(1), products], 1) if self.flattened else products


class TestOneSet(SingleEmbeddingLaws):
    name = "ipnn"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        return nn.Sequential(PairProducts(flattened=False), MLP(model))

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        return block_parameters(fields * (fields - 1) // 2, hidden)


class TestOneFlattenedSet(SingleEmbeddingLaws):
    name = "ipnn"
    model = {"ipnn": {"flattened": True}}  # noqa: RUF012

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        return nn.Sequential(PairProducts(flattened=True), MLP(model))

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        return block_parameters(fields * size + fields * (fields - 1) // 2, hidden)


def test_refuses_a_single_field() -> None:
    with pytest.raises(InputError, match="ipnn has products of two fields"):
        build("ipnn", 1, 4, 2)


def test_products_keep_float32s_precision_under_autocast() -> None:
    """Of large terms that cancel, bf16's 8 bits would leave nothing."""
    interaction = build("ipnn", 2, 3, 1).float()
    seen = []
    interaction.projection.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    embeddings = torch.tensor([[[[100.0, 100.0, 1.0], [100.0, -100.001, 1.0]]]])
    with torch.autocast("cpu", torch.bfloat16):
        interaction(embeddings)
    exact = embeddings.double()[0, 0].prod(0).sum().item()
    assert abs(seen[0].item() - exact) <= 1e-2


def test_of_sets_is_not_ipnn_of_one_wide_set() -> None:
    """Products add up over the sets' columns, as Appendix E has it; behind the projection's ReLU
    the mean over sets is another function."""
    interaction = build("ipnn", 4, 3, 5)
    with torch.no_grad():  # Where all sets have the same weights, the wide set could have them too.
        for parameter in interaction.parameters():
            parameter.copy_(parameter[:1].expand_as(parameter))
    embeddings = embeddings_for(interaction, 4, 3, 5)
    wide = torch.cat(list(embeddings), dim=2) / 5**0.5
    one = build("ipnn", 4, 15, 1)
    one.load_state_dict({name: value[:1] for name, value in interaction.state_dict().items()})
    linear, single = interaction.projection[0], one.projection[0]
    inputs: dict[str, Tensor] = {}
    linear.register_forward_pre_hook(lambda _, given: inputs.update(sets=given[0]))
    single.register_forward_pre_hook(lambda _, given: inputs.update(one=given[0]))
    mean, of_wide = interaction(embeddings).mean(dim=0), one(wide[None])[0]
    torch.testing.assert_close(linear(inputs["sets"]).mean(0), single(inputs["one"])[0])
    assert not torch.allclose(mean, of_wide, rtol=0.1)
