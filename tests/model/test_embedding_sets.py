from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor, KeyedTensor

from pipeline.data.manifest import Field
from pipeline.model.embedding_sets import EmbeddingSets
from pipeline.model.tables import table_groups
from pipeline.spec_model import ModelSpec

Features = Callable[[Sequence[Field], Sequence[Sequence[Sequence[int]]]], KeyedJaggedTensor]
RandomFeatures = Callable[[Sequence[Field], int], KeyedJaggedTensor]
Initialize = Callable[[EmbeddingSets, ModelSpec], dict[str, Tensor]]

FIELDS = (
    Field("user", "categorical", 12),
    Field("age", "numeric", 4),
    Field("genres", "multi_valued", 7, pooling="mean"),
    Field("tags", "multi_valued", 9, pooling="sum"),
)
ROWS = 6
STORAGES = ["packed", "separate"]
HOMOGENEOUS = {"interaction": "dnn", "sets": 3, "embedding_dim": 10}
MIXED = {
    "groups": [
        {"interaction": "dnn", "sets": 2, "embedding_dim": 8},
        {"interaction": "dcnv2", "sets": 3, "embedding_dim": 5},
        {"interaction": "dnn", "sets": 1, "embedding_dim": 1},
    ]
}
MODELS = {
    "single": {"interaction": "dnn", "sets": 1, "embedding_dim": 8},
    "single padded": {"interaction": "dnn", "sets": 1, "embedding_dim": 10},
    "multi": HOMOGENEOUS,
    "mixed": MIXED,
}


def model_spec(values: dict[str, Any], storage: str) -> ModelSpec:
    return ModelSpec.model_validate({**values, "tables": storage})


def embedding_sets(
    fields: Sequence[Field], spec: ModelSpec, device: torch.device | None = None
) -> EmbeddingSets:
    return EmbeddingSets(fields, table_groups(len(fields), spec), spec.tables, device)


def bag_of(features: KeyedJaggedTensor, field: str, row: int) -> Tensor:
    """The ids of one field in one row."""
    jagged = features[field]
    start = int(jagged.lengths()[:row].sum())
    return jagged.values()[start : start + int(jagged.lengths()[row])]


def expected_embedding(block: Tensor, ids: Tensor, pooling: str) -> Tensor:
    """The sum or mean of the rows of one set's table (D, K); of no rows, 0."""
    total = block[ids].sum(dim=0)
    return total / max(len(ids), 1) if pooling == "mean" else total


@pytest.mark.parametrize("storage", STORAGES)
class TestLookup:
    @pytest.mark.parametrize("values", MODELS.values(), ids=MODELS.keys())
    def test_gives_every_set_its_own_columns_of_every_field(
        self,
        storage: str,
        values: dict[str, Any],
        random_features: RandomFeatures,
        initialize: Initialize,
    ) -> None:
        spec = model_spec(values, storage)
        sets = embedding_sets(FIELDS, spec)
        weights = initialize(sets, spec)
        features = random_features(FIELDS, ROWS)
        outputs = sets(features)
        seen = 0
        for table in sets.tables:
            place, size = FIELDS.index(table.field), table.embedding_dim
            for number in range(table.sets):
                block = weights[table.name][:, number * size : (number + 1) * size]
                for row in range(ROWS):
                    ids = bag_of(features, table.field.name, row)
                    found = outputs[table.group][table.first_set + number, row, place]
                    expected = expected_embedding(block, ids, table.field.pooling)
                    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
                    seen += found.numel()
        assert seen == sum(output.numel() for output in outputs)

    def test_gives_each_group_its_size(self, storage: str, random_features: RandomFeatures) -> None:
        outputs = embedding_sets(FIELDS, model_spec(MIXED, storage))(random_features(FIELDS, ROWS))
        shapes = [tuple(output.shape) for output in outputs]
        assert shapes == [(2, ROWS, 4, 8), (3, ROWS, 4, 5), (1, ROWS, 4, 1)]

    def test_never_shows_padding_columns(
        self, storage: str, random_features: RandomFeatures, initialize: Initialize
    ) -> None:
        spec = model_spec(HOMOGENEOUS, storage)
        sets = embedding_sets(FIELDS, spec)
        weights = initialize(sets, spec)
        for table in sets.tables:
            assert table.physical_columns > table.columns
            weights[table.name][:, table.columns :] = torch.nan
        (output,) = sets(random_features(FIELDS, ROWS))
        assert output.isfinite().all()

    def test_gives_padding_columns_no_gradient(
        self, storage: str, random_features: RandomFeatures
    ) -> None:
        sets = embedding_sets(FIELDS, model_spec(HOMOGENEOUS, storage))
        (output,) = sets(random_features(FIELDS, ROWS))
        output.sum().backward()
        for table in sets.tables:
            gradient = sets.collection.embedding_bags[table.name].weight.grad
            assert gradient[:, table.columns :].eq(0).all()
            assert gradient[:, : table.columns].ne(0).any()

    def test_moves_only_the_rows_of_the_batch(self, storage: str, features: Features) -> None:
        field = FIELDS[0]
        sets = embedding_sets([field], model_spec(HOMOGENEOUS, storage))
        (output,) = sets(features([field], [[[3], [5], [3]]]))
        output.sum().backward()
        for table in sets.tables:
            gradient = sets.collection.embedding_bags[table.name].weight.grad
            expected = torch.zeros(12)
            expected[3], expected[5] = 2, 1
            assert torch.equal(gradient[:, 0], expected)

    def test_does_not_depend_on_the_order_of_the_collections_output(
        self, storage: str, random_features: RandomFeatures
    ) -> None:
        sets = embedding_sets(FIELDS, model_spec(MIXED, storage))
        pooled = sets.collection(random_features(FIELDS, ROWS))
        names = sorted(pooled.keys(), reverse=True)
        shuffled = KeyedTensor.from_tensor_list(names, [pooled[name] for name in names])
        for found, expected in zip(sets.arrange(shuffled), sets.arrange(pooled), strict=True):
            assert torch.equal(found, expected)


class TestStorage:
    @pytest.mark.parametrize("values", MODELS.values(), ids=MODELS.keys())
    def test_packed_and_separate_tables_give_the_same_outputs(
        self, values: dict[str, Any], random_features: RandomFeatures, initialize: Initialize
    ) -> None:
        outputs = []
        for storage in STORAGES:
            spec = model_spec(values, storage)
            sets = embedding_sets(FIELDS, spec)
            initialize(sets, spec)
            outputs.append(sets(random_features(FIELDS, ROWS)))
        for packed, separate in zip(*outputs, strict=True):
            torch.testing.assert_close(packed, separate, rtol=1e-6, atol=1e-9)

    def test_packed_is_one_table_a_field_and_group(self) -> None:
        names = [
            table.name for table in embedding_sets(FIELDS[:2], model_spec(MIXED, "packed")).tables
        ]
        assert names == ["user_g0", "age_g0", "user_g1", "age_g1", "user_g2", "age_g2"]

    def test_separate_is_one_table_a_field_and_set(self) -> None:
        tables = embedding_sets(FIELDS[:1], model_spec(MIXED, "separate")).tables
        names = [table.name for table in tables]
        assert names == [
            f"user_g{g}_s{s}" for g, s in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0)]
        ]

    @pytest.mark.parametrize(
        ("sets", "size", "packed", "separate"),
        [(1, 4, 4, 4), (4, 10, 40, 12), (3, 10, 32, 12), (1, 1, 4, 4), (5, 1, 8, 4)],
    )
    def test_columns_are_stored_in_multiples_of_four(
        self, sets: int, size: int, packed: int, separate: int
    ) -> None:
        values = {"interaction": "dnn", "sets": sets, "embedding_dim": size}
        for storage, width in (("packed", packed), ("separate", separate)):
            tables = embedding_sets(FIELDS, model_spec(values, storage)).tables
            assert {table.physical_columns for table in tables} == {width}


class TestPooling:
    @pytest.mark.parametrize(
        ("pooling", "expected"),
        [
            ("sum", [[4.0, 40.0], [3.0, 30.0], [0.0, 0.0]]),
            ("mean", [[2.0, 20.0], [3.0, 30.0], [0.0, 0.0]]),
        ],
    )
    def test_of_two_one_and_no_ids(
        self, pooling: str, expected: list[list[float]], features: Features
    ) -> None:
        field = Field("genres", "multi_valued", 4, pooling=pooling)  # type: ignore[arg-type]
        values = {"interaction": "dnn", "sets": 1, "embedding_dim": 2}
        sets = embedding_sets([field], model_spec(values, "packed"))
        table = torch.tensor([[0.0, 0], [1, 10], [2, 20], [3, 30]])
        sets.collection.embedding_bags["genres_g0"].weight.data[:, :2] = table
        (output,) = sets(features([field], [[[1, 3], [3], []]]))
        assert output[0, :, 0].tolist() == expected

    def test_of_a_repeated_id_counts_it_twice(self, features: Features) -> None:
        field = Field("tags", "multi_valued", 3, pooling="mean")
        values = {"interaction": "dnn", "sets": 1, "embedding_dim": 1}
        sets = embedding_sets([field], model_spec(values, "packed"))
        weight = sets.collection.embedding_bags["tags_g0"].weight
        weight.data[:, 0] = torch.tensor([0.0, 3.0, 6.0])
        (output,) = sets(features([field], [[[1, 1, 2]]]))
        assert output.item() == 4.0


class TestKeys:
    def keys(self, values: dict[str, Any], storage: str, make: RandomFeatures) -> list[str]:
        sets = embedding_sets(FIELDS[:2], model_spec(values, storage))
        return list(sets.collection(make(FIELDS[:2], ROWS)).keys())

    def test_a_fields_only_table_has_the_fields_name(self, random_features: RandomFeatures) -> None:
        assert self.keys(HOMOGENEOUS, "packed", random_features) == ["user", "age"]

    def test_tables_that_share_a_field_are_told_apart(
        self, random_features: RandomFeatures
    ) -> None:
        values = {"interaction": "dnn", "sets": 2, "embedding_dim": 4}
        assert self.keys(values, "separate", random_features) == [
            "user@user_g0_s0",
            "age@age_g0_s0",
            "user@user_g0_s1",
            "age@age_g0_s1",
        ]


def test_tables_on_the_meta_device_take_no_memory() -> None:
    huge = Field("id", "categorical", 10**12)
    sets = embedding_sets([huge], model_spec(HOMOGENEOUS, "packed"), torch.device("meta"))
    assert sets.tables[0].rows == 10**12
    assert sets.collection.embedding_bags["id_g0"].weight.is_meta
