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
    # Laws of weights, which FM has none of.
    test_a_set_depends_on_its_own_weights_only = None
    test_sets_start_with_weights_of_their_own = None

    def test_has_no_parameters_but_the_tables(self) -> None:
        assert list(build("fm", 5, 4, 3).parameters()) == []

    def naive(self, interaction: FM, embeddings: Tensor) -> Tensor:
        """sum_i w_i + sum_(i < j) <v_i, v_j> of each set and row."""
        outputs = []
        for row in embeddings.flatten(0, 1):
            fields = row.unbind(0)
            total = sum(field[-1] for field in fields)
            for i, left in enumerate(fields):
                for right in fields[i + 1 :]:
                    total = total + left[:-1] @ right[:-1]
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
    """w_0, the values' weights, and a sum over all pairs i < j."""

    def __init__(self, constant: Tensor) -> None:
        super().__init__()
        self.constant = nn.Parameter(constant.detach().clone())

    def forward(self, embeddings: Tensor) -> Tensor:
        factors = embeddings[..., :SIZE].unbind(dim=1)
        total = self.constant + embeddings[..., SIZE].sum(dim=1)
        for i, left in enumerate(factors):
            for right in factors[i + 1 :]:
                total = total + (left * right).sum(dim=1)
        return total


class FieldAwareFactorizationMachine(nn.Module):
    """w_0, the values' weights <u_i, v_i^(->i)>, and a sum over all pairs i < j."""

    def __init__(self, model: MultiEmbedding) -> None:
        super().__init__()
        (interaction,), (tower,) = model.dense.interactions, model.dense.towers
        vectors = interaction.first_order.weight[0].view(len(FIELDS), SIZE)
        self.vectors = nn.Parameter(vectors.detach().clone())
        self.constant = nn.Parameter(tower.bias[0].detach().clone())

    def forward(self, embeddings: Tensor) -> Tensor:
        towards = embeddings.unflatten(2, (len(FIELDS), SIZE))
        total = self.constant
        for i, vector in enumerate(self.vectors):
            total = total + towards[:, i, i] @ vector
            for j in range(i + 1, len(FIELDS)):
                total = total + (towards[:, i, j] * towards[:, j, i]).sum(dim=1)
        return total


class TestOneSetOfFM(SingleEmbeddingLaws):
    name = "fm"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        (tower,) = model.dense.towers
        return FactorizationMachine(tower.bias[0])

    def columns(self, fields: int, size: int) -> int:
        return size + 1

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        return 0

    def tower_parameters(self, hidden: int) -> int:
        return 1


class TestOneSetOfFFM(SingleEmbeddingLaws):
    name = "ffm"

    def textbook(self, model: MultiEmbedding) -> nn.Module:
        return FieldAwareFactorizationMachine(model)

    def columns(self, fields: int, size: int) -> int:
        return fields * size

    def set_parameters(self, fields: int, size: int, hidden: int) -> int:
        return fields * size

    def tower_parameters(self, hidden: int) -> int:
        return 1


def test_fm_of_sets_is_fm_of_one_wide_set() -> None:
    """Appendix E: a linear interaction without a projection collapses into one embedding."""
    interaction = build("fm", 6, 3, 5)
    embeddings = embeddings_for(interaction, 6, 3, 5)
    mean = interaction(embeddings).mean(dim=0)
    # Factors of all sets side by side, both of every product scaled by 5^(-1/2); mean weights.
    factors = torch.cat(list(embeddings[..., :-1]), dim=2) / 5**0.5
    wide = torch.cat([factors, embeddings[..., -1:].mean(dim=0)], dim=2)
    one = build("fm", 6, 15, 1)
    torch.testing.assert_close(one(wide[None])[0], mean, rtol=1e-10, atol=1e-10)


def test_ffm_is_fm_where_a_field_is_the_same_towards_all_others() -> None:
    fm, ffm = build("fm", 7, 4, 3), build("ffm", 7, 4, 3)
    rows = embeddings_for(fm, 7, 4, 3)
    vectors = ffm.first_order.weight.view(3, 1, 7, 4)
    rows[..., -1] = (rows[..., :-1] * vectors).sum(dim=3)
    torch.testing.assert_close(ffm(rows[..., :-1].repeat(1, 1, 1, 7)), fm(rows))


def test_ffm_keeps_a_sub_embedding_for_every_field_and_fm_a_weight_for_every_value() -> None:
    assert FFM.table_columns(fields=39, embedding_dim=4) == 156
    assert FM.table_columns(fields=39, embedding_dim=4) == 5


def test_logits_keep_float32s_precision_under_autocast() -> None:
    for name in ("fm", "ffm"):
        interaction = build(name, 10, 4, 2).float()
        embeddings = embeddings_for(interaction, 10, 4, 2).float()
        exact = interaction(embeddings)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(interaction(embeddings), exact)
