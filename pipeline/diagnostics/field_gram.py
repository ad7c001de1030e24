"""What one pass over a field's tables leaves of them: all that the measures of collapse need."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.diagnostics.gram_sum import GramSum, float64_blocks


@dataclass(frozen=True, eq=False)
class FieldGram:
    """The Gram matrices of a field's sets side by side, [E^(1) .. E^(M)].

    Those of row shards add up (``+``), so a sharded field costs one all-reduce of (K, K).

    Attributes:
        name: the field.
        rows: how many rows they are of.
        widths: the columns of each set; K is their sum.
        plain: (K, K) float64, every row alike.
        weighted: (K, K) float64, each row times the root of its count. Rows that are hardly
            trained stay at their random start and raise information abundance; here they do not
            count.
    """

    name: str
    rows: int
    widths: tuple[int, ...]
    plain: Tensor
    weighted: Tensor

    def __add__(self, other: "FieldGram") -> "FieldGram":
        """Of the rows of both."""
        return FieldGram(
            self.name,
            self.rows + other.rows,
            self.widths,
            self.plain + other.plain,
            self.weighted + other.weighted,
        )


def empty_gram(name: str, widths: Sequence[int]) -> FieldGram:
    """Of no rows: what shards are added to."""
    nothing = torch.zeros(sum(widths), sum(widths), dtype=torch.float64)
    return FieldGram(name, 0, tuple(widths), nothing, nothing)


def field_gram(name: str, sets: Sequence[Tensor], counts: Tensor | None) -> FieldGram:
    """Both Gram matrices of a field, or of a shard of its rows, in one pass.

    Args:
        name: the field.
        sets: the logical matrices (rows, K_m), without padding columns.
        counts: (rows,) how often each row occurs in the data. None where that is not known: each
            row then counts once.
    """
    widths = tuple(matrix.shape[1] for matrix in sets)
    plain, weighted = GramSum(sum(widths)), GramSum(sum(widths))
    for part, block in float64_blocks(sets):
        plain.add(block)
        if counts is not None:
            block *= counts[part].double().sqrt().unsqueeze(1).cpu().numpy()
            weighted.add(block)
    of_counts = plain if counts is None else weighted
    return FieldGram(name, len(sets[0]), widths, plain.total, of_counts.total)
