"""Starting values are written into a rank's part of a table piece by piece."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torchrec.distributed.model_parallel import DefaultDataParallelWrapper

from pipeline.data.manifest import Field
from pipeline.distributed import sharding
from pipeline.distributed.sharding import initialize_tables
from pipeline.model import initialization
from pipeline.model.click_task import ClickTask
from pipeline.model.initialization import TableInitializer
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.model.tables import Table
from pipeline.spec_model import ModelSpec

BLOCK, ROWS = 8, 27
SPEC = ModelSpec(sets=2, embedding_dim=5)


class Noted(TableInitializer):
    """Notes the rows that are drawn."""

    def __init__(self) -> None:
        super().__init__(SPEC, ROWS, seed=0)
        self.drawn: list[tuple[int, int]] = []

    def rows(self, table: Table, start: int, stop: int) -> Tensor:
        self.drawn.append((start, stop))
        return super().rows(table, start, stop)


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> ClickTask:
    """A model with one table of 27 rows, where a generator draws 8."""
    monkeypatch.setattr(initialization, "BLOCK_ROWS", BLOCK)
    model = MultiEmbedding((Field("field", "categorical", ROWS),), SPEC)
    return ClickTask(model, SPEC)


def test_no_more_rows_are_drawn_at_once_than_a_generator_draws(task: ClickTask) -> None:
    tables = task.model.embedding_sets.tables
    noted = Noted()
    initialize_tables(task, tables, noted)
    assert noted.drawn == [(0, 8), (8, 16), (16, 24), (24, 27)]
    weight = task.state_dict()[sharding.TABLE_KEY.format(tables[0].name)]
    assert torch.equal(weight, TableInitializer(SPEC, ROWS, 0).rows(tables[0], 0, ROWS))


@pytest.mark.parametrize(
    ("ranks", "device", "kept"),
    [(2, "cpu", False), (3, "cpu", True), (3, "cuda", False), (8, "cuda", False)],
)
def test_the_order_of_sums_over_ranks_is_kept_where_resumed_trainings_are_equal_to_the_bit(
    ranks: int, device: str, kept: bool
) -> None:
    wrapper = sharding._data_parallel(ranks, device)
    assert isinstance(wrapper, DefaultDataParallelWrapper)
    assert wrapper._find_unused_parameters is kept


def test_a_part_that_begins_inside_a_block_has_the_tables_values(
    task: ClickTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = torch.zeros(16, 4)

    def local_parts(_: Tensor) -> Iterator[tuple[Tensor, slice, slice]]:
        yield part, slice(5, 21), slice(4, 8)

    monkeypatch.setattr(sharding, "local_parts", local_parts)
    tables = task.model.embedding_sets.tables
    noted = Noted()
    initialize_tables(task, tables, noted)
    assert noted.drawn == [(5, 8), (8, 16), (16, 21)]
    assert torch.equal(part, TableInitializer(SPEC, ROWS, 0).rows(tables[0], 0, ROWS)[5:21, 4:8])
