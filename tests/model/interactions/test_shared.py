"""One interaction for all sets of a group."""

from typing import Any

import pytest
import torch
from interaction_laws import assert_agree, build, embeddings_for

from pipeline.data.manifest import Field
from pipeline.model.interactions.build import SharedInteraction
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.registry import BUILT_IN
from pipeline.spec_model import ModelSpec

# Batch normalisation's statistics are of the rows of all sets; these depend on a row alone.
OF_A_ROW: dict[str, Any] = {"normalization": "layer"}
FIELDS = (Field("user", "categorical", 50), Field("item", "categorical", 30))


def shared(name: str, sets: int) -> SharedInteraction:
    interaction = build(name, 4, 3, sets, {"shared_interaction": True, **OF_A_ROW})
    assert isinstance(interaction, SharedInteraction)
    return interaction


@pytest.mark.parametrize("name", sorted(BUILT_IN["interaction"]))
class TestSharedInteraction:
    def test_applies_that_of_one_set_to_each(self, name: str) -> None:
        interaction = shared(name, 3)
        embeddings = embeddings_for(interaction.interaction, 4, 3, 3).requires_grad_()
        expected = torch.cat([interaction.interaction(of_set[None]) for of_set in embeddings])
        assert_agree(interaction(embeddings), expected, [embeddings, *interaction.parameters()])

    def test_has_the_weights_of_one_set(self, name: str) -> None:
        shapes = [
            {key: value.shape for key, value in of.state_dict().items()}
            for of in (shared(name, 3).interaction, build(name, 4, 3, 1, OF_A_ROW))
        ]
        assert shapes[0] == shapes[1]

    def test_has_as_many_dense_parameters_in_any_number_of_sets(self, name: str) -> None:
        def count(sets: int, one_for_all: bool) -> int:
            values = {"interaction": name, "sets": sets, "shared_interaction": one_for_all}
            spec = ModelSpec.model_validate({"hidden_dim": 8, "embedding_dim": 4, **values})
            return MultiEmbedding(FIELDS, spec).count_parameters().dense

        own = count(4, False)
        assert count(1, True) == count(4, True) == count(1, False)
        # FM has no parameters but its tables.
        assert own == count(1, False) if name == "fm" else own > count(1, False)


def test_a_shared_interaction_has_the_penalty_and_the_norms_of_one_set() -> None:
    interaction = shared("regularized_dcnv2", 3)
    assert torch.equal(interaction.penalty(), interaction.interaction.penalty())
    assert interaction.block_norms().shape == (4, 1, 4, 4)
