import torch
from interaction_laws import ROWS, InteractionLaws, build, embeddings_for
from single_embedding_laws import FIELDS, SIZE, SingleEmbeddingLaws
from torch import Tensor, nn

from pipeline.model.interactions.ffm import FFM
from pipeline.model.interactions.fm import FM
from pipeline.model.multi_embedding import MultiEmbedding


class TestFM(InteractionLaws):
    name = "fm"
    widest = 40 * 64

    def naive(self, interaction: FM, embeddings: Tensor) -> Tensor:
        """sum_i <u_i, e_i> + sum_(i < j) <e_i, e_j> of each set and row."""
        outputs = []
        for place, of_set in enumerate(embeddings):
            vectors = interaction.first_order.weight[place].view(of_set.shape[1:])
            for row in of_set:
                fields = row.unbind(0)
                total = sum(u @ e for u, e in zip(vectors, fields, strict=True))
                for i, left in enumerate(fields):
                    for right in fields[i + 1 :]:
                        total = total + left @ right
                outputs.append(total)
        return torch.stack(outputs).view(-1, ROWS, 1)


class TestFFM(InteractionLaws):
    name = "ffm"
    widest = 40 * 64

    def naive(self, interaction: FFM, embeddings: Tensor) -> Tensor:
        """sum_i <u_i, v_i^(->i)> + sum_(i < j) <v_i^(->j), v_j^(->i)> of each set and row."""
        outputs = []
        fields = embeddings.shape[2]
        size = embeddings.shape[3] // fields
        for place, of_set in enumerate(embeddings):
            vectors = interaction.first_order.weight[place].view(fields, size)
            for row in of_set:
                towards = [field.view(fields, size).unbind(0) for field in row]
                total = sum(vectors[i] @ towards[i][i] for i in range(fields))
                for i in range(fields):
                    for j in range(i + 1, fields):
                        total = total + towards[i][j] @ towards[j][i]
                outputs.append(total)
        return torch.stack(outputs).view(-1, ROWS, 1)


class FactorizationMachine(nn.Module):
    """w_0, the values' weights <u_i, first_i>, and a sum over all pairs i < j."""

    def __init__(self, model: MultiEmbedding, field_aware: bool) -> None:
        super().__init__()
        (interaction,), (tower,) = model.dense.interactions, model.dense.towers
        vectors = interaction.first_order.weight[0].view(len(FIELDS), SIZE)
        self.vectors = nn.Parameter(vectors.detach().clone())
        self.constant = nn.Parameter(tower.bias[0].detach().clone())
        self.field_aware = field_aware

    def sub_embedding(self, embeddings: Tensor, field: int, towards: int) -> Tensor:
        """Of one field (B, K)."""
        if not self.field_aware:
            return embeddings[:, field]
        return embeddings[:, field, towards * SIZE : (towards + 1) * SIZE]

    def forward(self, embeddings: Tensor) -> Tensor:
        total = self.constant
        for i, vector in enumerate(self.vectors):
            total = total + self.sub_embedding(embeddings, i, i) @ vector
            for j in range(i + 1, len(FIELDS)):
                left = self.sub_embedding(embeddings, i, j)
                right = self.sub_embedding(embeddings, j, i)
                total = total + (left * right).sum(1)
        return total


class TestOneSetOfFM(SingleEmbeddingLaws):
    name = "fm"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        return FactorizationMachine(model, field_aware=False)

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        return fields * size

    def tower_parameters(self, hidden: int) -> int:
        return 1


class TestOneSetOfFFM(TestOneSetOfFM):
    name = "ffm"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        return FactorizationMachine(model, field_aware=True)

    def columns(self, fields: int, size: int) -> int:
        return fields * size


def test_fm_of_sets_is_fm_of_one_wide_set() -> None:
    """Appendix E: a linear interaction without a projection collapses into one embedding."""
    interaction = build("fm", 6, 3, 5)
    embeddings = embeddings_for(interaction, 6, 3, 5)
    mean = interaction(embeddings).mean(dim=0)
    # Columns of all sets side by side, and both factors of every product scaled by 5^(-1/2).
    wide = torch.cat(list(embeddings), dim=2) / 5**0.5
    vectors = interaction.first_order.weight.unflatten(1, (6, 3))
    one = build("fm", 6, 15, 1)
    one.first_order.weight.data = torch.cat(list(vectors), dim=1).view(1, 90, 1) / 5**0.5
    torch.testing.assert_close(one(wide[None])[0], mean, rtol=1e-10, atol=1e-10)


def test_ffm_is_fm_where_a_field_is_the_same_towards_all_others() -> None:
    fm, ffm = build("fm", 7, 4, 3), build("ffm", 7, 4, 3)
    ffm.load_state_dict(fm.state_dict())
    embeddings = embeddings_for(fm, 7, 4, 3)
    torch.testing.assert_close(ffm(embeddings.repeat(1, 1, 1, 7)), fm(embeddings))


def test_ffm_keeps_a_sub_embedding_for_every_field() -> None:
    assert FFM.table_columns(fields=39, embedding_dim=4) == 156
    assert FM.table_columns(fields=39, embedding_dim=4) == 4


def test_logits_keep_float32s_precision_under_autocast() -> None:
    for name in ("fm", "ffm"):
        interaction = build(name, 10, 4, 2).float()
        embeddings = embeddings_for(interaction, 10, 4, 2).float()
        exact = interaction(embeddings)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(interaction(embeddings), exact)
