"""What is applied to a field's embedding before it meets another field's."""

import pytest
import torch
from interaction_laws import build, embeddings_for

from pipeline.registry import BUILT_IN

FIELDS, SIZE, SETS = 4, 3, 2


@pytest.mark.parametrize("name", ["dcnv2", "regularized_dcnv2"])
@pytest.mark.parametrize("shared", [False, True])
def test_of_dcnv2_add_up_to_what_the_first_layer_meets(name: str, shared: bool) -> None:
    model = {"shared_interaction": shared, "dcnv2": {"layers": 1}, "normalization": "layer"}
    interaction = build(name, FIELDS, SIZE, SETS, model)
    core = interaction.interaction if shared else interaction
    embeddings = embeddings_for(core, FIELDS, SIZE, SETS)
    weights = core.applied_weights()[0].expand(SETS, -1, -1)
    met = torch.bmm(embeddings.flatten(2), weights).unflatten(2, (FIELDS, SIZE))
    found = sum(
        torch.einsum("mbk,mjkc->mbjc", embeddings[:, :, i], interaction.sub_embedding_maps(i))
        for i in range(FIELDS)
    )
    torch.testing.assert_close(found, met)


def test_of_low_rank_dcnv2_are_blocks_of_the_product() -> None:
    interaction = build("dcnv2", FIELDS, SIZE, SETS, {"dcnv2": {"rank": 2}})
    product = interaction.reductions[0] @ interaction.weights[0]
    found = interaction.sub_embedding_maps(1)[1, 2]
    torch.testing.assert_close(found, product[1, SIZE : 2 * SIZE, 2 * SIZE : 3 * SIZE])


def test_of_ffm_take_out_the_sub_embedding_of_the_other_field() -> None:
    interaction = build("ffm", FIELDS, SIZE, SETS)
    embeddings = embeddings_for(interaction, FIELDS, SIZE, SETS)
    for i in range(FIELDS):
        maps = interaction.sub_embedding_maps(i).double()
        found = torch.einsum("mbk,mjkc->mbjc", embeddings[:, :, i], maps)
        assert torch.equal(found, embeddings[:, :, i].unflatten(2, (FIELDS, SIZE)))


def test_of_others_there_are_none() -> None:
    for name in set(BUILT_IN["interaction"]) - {"dcnv2", "regularized_dcnv2", "ffm"}:
        assert build(name, FIELDS, SIZE, SETS).sub_embedding_maps(0) is None
