"""Ids and starting values for the tests of the model."""

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.manifest import Field
from pipeline.model.embedding_sets import EmbeddingSets
from pipeline.model.initialization import TableInitializer
from pipeline.spec_model import ModelSpec


@pytest.fixture(autouse=True)
def one_thread_and_seed() -> Iterator[None]:
    """Tensors here are small: on busy cores a second thread costs more than it brings."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _features(
    fields: Sequence[Field], bags: Sequence[Sequence[Sequence[int]]]
) -> KeyedJaggedTensor:
    """Bags of ids by field, then row."""
    return KeyedJaggedTensor.from_lengths_sync(
        keys=[field.name for field in fields],
        values=torch.tensor([id_ for of_field in bags for bag in of_field for id_ in bag]).long(),
        lengths=torch.tensor([len(bag) for of_field in bags for bag in of_field]),
    )


@pytest.fixture
def features() -> Callable[..., KeyedJaggedTensor]:
    """Makes features of given bags of ids."""
    return _features


@pytest.fixture
def random_features() -> Callable[[Sequence[Field], int], KeyedJaggedTensor]:
    """Makes random features; bags of multi-valued fields hold 0 to 3 ids."""

    def make(fields: Sequence[Field], rows: int) -> KeyedJaggedTensor:
        generator = torch.Generator().manual_seed(5)
        bags = []
        for field in fields:
            most = 4 if field.kind == "multi_valued" else 2
            least = 0 if field.kind == "multi_valued" else 1
            lengths = torch.randint(least, most, (rows,), generator=generator).tolist()
            draw = [torch.randint(field.cardinality, (n,), generator=generator) for n in lengths]
            bags.append([ids.tolist() for ids in draw])
        return _features(fields, bags)

    return make


@pytest.fixture
def initialize() -> Callable[[EmbeddingSets, ModelSpec], dict[str, Tensor]]:
    """Writes the starting values of seed 3 into the tables, and returns them by table."""

    @torch.no_grad()
    def write(sets: EmbeddingSets, spec: ModelSpec) -> dict[str, Tensor]:
        total = sum({table.field.name: table.rows for table in sets.tables}.values())
        initializer = TableInitializer(spec, total, seed=3)
        weights = {}
        state = sets.state_dict()
        for table in sets.tables:
            weight = state[f"collection.embedding_bags.{table.name}.weight"]
            weight.copy_(initializer.rows(table, 0, table.rows))
            weights[table.name] = weight
        return weights

    return write
