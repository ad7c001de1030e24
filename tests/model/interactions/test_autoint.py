import pytest
import torch
from interaction_laws import HIDDEN, InteractionLaws, build, embeddings_for, hidden_block
from single_embedding_laws import MLP, SIZE, SingleEmbeddingLaws, block_parameters
from torch import Tensor, nn

from pipeline.model.interactions.autoint import AutoInt, SetAttention, attention_rows
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.model.row_blocks import block_rows
from pipeline.spec_model import AutoIntSpec, GroupSpec, ModelSpec


class TestAutoInt(InteractionLaws):
    name = "autoint"
    widest = 40 * 64
    model = {"autoint": {"layers": 2, "heads": 2, "head_dim": 3}}  # noqa: RUF012

    def naive(self, interaction: AutoInt, embeddings: Tensor) -> Tensor:
        """Layers of attention for each set, then the projection."""
        outputs = []
        for place, of_set in enumerate(embeddings):
            fields = of_set
            for layer in interaction.attention:
                fields = attended(layer, place, fields, heads=2, head_dim=3)
            outputs.append(hidden_block(interaction.projection, place, fields.flatten(1)))
        return torch.stack(outputs)


def attended(layer: SetAttention, place: int, fields: Tensor, heads: int, head_dim: int) -> Tensor:
    """One layer of one set (B, F, in), head by head and field by field."""
    query, key, value = layer.query[place], layer.key[place], layer.value[place]
    residual = layer.residual[place]
    sides = []
    for head in range(heads):
        columns = slice(head * head_dim, (head + 1) * head_dim)
        keys, values = fields @ key[:, columns], fields @ value[:, columns]
        of_head = []
        for field in fields.unbind(1):
            scores = (keys * (field @ query[:, columns])[:, None]).sum(2)
            powers = (scores / head_dim**0.5).exp()
            weights = powers / powers.sum(1, keepdim=True)
            of_head.append((weights[:, :, None] * values).sum(1))
        sides.append(torch.stack(of_head, dim=1))
    return (torch.cat(sides, dim=2) + fields @ residual).clamp_min(0)


class TorchsAttention(nn.Module):
    """One layer by torch's own attention, for inputs as wide as outputs: (B, F, K) -> (B, F, K)."""

    def __init__(self, layer: SetAttention, place: int, heads: int) -> None:
        super().__init__()
        matrices = layer.query, layer.key, layer.value
        projections = torch.cat([matrix[place].detach().T for matrix in matrices])
        residual = layer.residual[place].detach()
        width = len(residual)
        self.attention = nn.MultiheadAttention(width, heads, bias=False, batch_first=True)
        self.attention.to(projections.dtype).in_proj_weight.data = projections
        # The original has no matrix behind the heads.
        self.attention.out_proj.weight = nn.Parameter(
            torch.eye(width, dtype=projections.dtype), requires_grad=False
        )
        self.residual = nn.Parameter(residual.clone())

    def forward(self, fields: Tensor) -> Tensor:
        attended, _ = self.attention(fields, fields, fields, need_weights=False)
        return (attended + fields @ self.residual).relu()


class TestOneSet(SingleEmbeddingLaws):
    name = "autoint"
    model = {"autoint": {"layers": 3, "heads": 2, "head_dim": SIZE // 2}}  # noqa: RUF012

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        layers = [TorchsAttention(layer, 0, 2) for layer in model.dense.interactions[0].attention]
        return nn.Sequential(*layers, nn.Flatten(), MLP(model))

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        width = 2 * (SIZE // 2)
        layers = 4 * size * width + 2 * 4 * width * width
        return layers + block_parameters(fields * width, hidden)


class TestSetAttention:
    @pytest.mark.parametrize(("heads", "head_dim"), [(1, 8), (2, 4), (4, 2)])
    def test_agrees_with_torchs_multihead_attention(self, heads: int, head_dim: int) -> None:
        layer = SetAttention(3, 8, heads, head_dim).double()
        inputs = torch.randn(3, 5, 7, 8, dtype=torch.float64)
        found = layer(inputs)
        for place in range(3):
            expected = TorchsAttention(layer, place, heads)(inputs[place])
            torch.testing.assert_close(found[place], expected, rtol=1e-10, atol=1e-10)

    def test_starts_xavier_uniform_for_every_matrix(self) -> None:
        torch.manual_seed(0)
        layer = SetAttention(2, 100, 4, 50)
        bound = (6 / (100 + 200)) ** 0.5
        for matrix in (layer.query, layer.key, layer.value, layer.residual):
            assert matrix.abs().max() <= bound
            # 20,000 uniform draws a set: the standard deviation is settled to 1 %.
            expected = torch.full((2,), bound / 3**0.5)
            torch.testing.assert_close(matrix.std(dim=(1, 2)), expected, rtol=0.03, atol=0)


def test_has_the_layers_heads_and_widths_of_the_spec() -> None:
    group = GroupSpec(interaction="autoint", sets=2, embedding_dim=4)
    default = AutoInt(3, group, ModelSpec(hidden_dim=HIDDEN))
    assert [layer.residual.shape[1:] for layer in default.attention] == [
        (4, 64),
        (64, 64),
        (64, 64),
    ]
    assert default.projection[0].weight.shape == (2, 3 * 64, HIDDEN)
    spec = ModelSpec(hidden_dim=HIDDEN, autoint=AutoIntSpec(layers=1, heads=3, head_dim=5))
    assert [layer.residual.shape for layer in AutoInt(3, group, spec).attention] == [(2, 4, 15)]


def test_does_not_depend_on_the_order_of_the_fields_but_in_its_outputs_order() -> None:
    interaction = build("autoint", 6, 4, 2)
    embeddings = embeddings_for(interaction, 6, 4, 2)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    found = interaction.attention(embeddings[:, :, order])
    torch.testing.assert_close(found, interaction.attention(embeddings)[:, :, order])


@pytest.mark.parametrize("sets", [1, 4, 7])
def test_attends_to_no_more_rows_at_once_than_cudas_kernels_take(sets: int) -> None:
    assert attention_rows(sets, 10, torch.device("cuda")) == 65_535 // sets
    assert attention_rows(sets, 2**20, torch.device("cuda")) == 2**28 // (sets * 2**20)


def test_has_the_blocks_of_every_interaction_on_cpu() -> None:
    cpu = torch.device("cpu")
    assert attention_rows(2, 1, cpu) == block_rows(2, cpu) > 65_535
