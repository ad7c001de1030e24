"""The embedding tables' starting values, the same for every storage and every sharding.

A value is a function of the seed, the field, the group, the set, and its row and column. So packed
and separate tables, and any number of ranks, begin with the same weights.
"""

import hashlib
import math
from collections.abc import Iterator

import torch

from pipeline.model.tables import Table
from pipeline.spec_model import ModelSpec

# Rows drawn from one generator. A shard that begins inside a block draws the block whole.
BLOCK_ROWS = 65_536


def pieces(rows: slice) -> Iterator[slice]:
    """Rows of a table cut where a generator's rows end, so that each is drawn once."""
    start = rows.start
    while start < rows.stop:
        stop = min((start // BLOCK_ROWS + 1) * BLOCK_ROWS, rows.stop)
        yield slice(start, stop)
        start = stop


class TableInitializer:
    """Draws the starting rows of tables, as ``model.initialization`` says.

    ``xavier_total`` is the paper's: uniform within sqrt(6 / (D + K)), where D counts the rows of
    all fields together, since the authors' code keeps all fields in one matrix. ``xavier_field``
    has each field's own rows for D.
    """

    def __init__(self, spec: ModelSpec, total_rows: int, seed: int) -> None:
        self._spec = spec
        self._total_rows = total_rows
        self._seed = seed

    def rows(self, table: Table, start: int, stop: int) -> torch.Tensor:
        """Rows ``start`` to ``stop`` of a table, (stop - start, physical columns) float32."""
        values = torch.zeros(stop - start, table.physical_columns)
        if start == stop:  # A rank beyond the end of a short table.
            return values
        for place in range(table.sets):
            columns = slice(place * table.embedding_dim, (place + 1) * table.embedding_dim)
            values[:, columns] = self._set_rows(table, table.first_set + place, start, stop)
        return values

    def _set_rows(self, table: Table, embedding_set: int, start: int, stop: int) -> torch.Tensor:
        blocks = range(start // BLOCK_ROWS, -(-stop // BLOCK_ROWS))
        drawn = torch.cat([self._block(table, embedding_set, block) for block in blocks])
        offset = blocks.start * BLOCK_ROWS
        return drawn[start - offset : stop - offset]

    def _block(self, table: Table, embedding_set: int, block: int) -> torch.Tensor:
        generator = torch.Generator()
        origin = f"{self._seed}/{table.field.name}/{table.group}/{embedding_set}/{block}"
        digest = hashlib.sha256(origin.encode()).digest()
        generator.manual_seed(int.from_bytes(digest[:8], "little", signed=True))
        rows = min(BLOCK_ROWS, table.rows - block * BLOCK_ROWS)
        values = torch.empty(rows, table.embedding_dim)
        scale = self._scale(table)
        if self._spec.initialization == "normal":
            return values.normal_(0, scale, generator=generator)
        return values.uniform_(-scale, scale, generator=generator)

    def _scale(self, table: Table) -> float:
        """The bound of the uniform kinds, the standard deviation of ``normal``."""
        rows = {"xavier_total": self._total_rows, "xavier_field": table.rows}
        if self._spec.initialization not in rows:
            return self._spec.initialization_scale
        return math.sqrt(6 / (rows[self._spec.initialization] + table.embedding_dim))
