"""What decides a generated click: pairs of fields whose latent vectors meet, in patterns."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pipeline.data.generator.generated_fields import CategoricalField, IntegerField

# Gives the demo a label rate of about 0.255; Criteo's is 0.256.
BIAS = -1.62

# By pattern: the names of the fields of each of its pairs.
PairNames = tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, eq=False)
class PlantedPair:
    """Two fields that meet: <left[token of the first], right[token of the second]> of a row.

    Attributes:
        fields: their names.
        left, right: (1 + cardinality, rank), missing first.
    """

    fields: tuple[str, str]
    left: NDArray[np.float64]
    right: NDArray[np.float64]

    def meet(self, tokens: Mapping[str, NDArray[np.int32]]) -> NDArray[np.float64]:
        """(rows,) the inner products of the rows' tokens."""
        first, second = (tokens[name] for name in self.fields)
        return np.einsum("rk,rk->r", self.left[first], self.right[second])


@dataclass(frozen=True, eq=False)
class ClickModel:
    """The columns of a log and the true probability of a click.

        p = sigmoid(BIAS + strength * sum over patterns and their pairs of the inner products)

    Attributes:
        columns: of the log, in order, behind the label.
        patterns: the pairs of each.
        strength: of one pair.
    """

    columns: tuple[IntegerField | CategoricalField, ...]
    patterns: tuple[tuple[PlantedPair, ...], ...]
    strength: float

    @property
    def planted(self) -> tuple[CategoricalField, ...]:
        """The fields that take part in a pair, in the columns' order."""
        names = {name for pair in chain.from_iterable(self.patterns) for name in pair.fields}
        return tuple(
            column
            for column in self.columns
            if isinstance(column, CategoricalField) and column.name in names
        )

    def probabilities(self, tokens: Mapping[str, NDArray[np.int32]]) -> NDArray[np.float64]:
        """(rows,) float64 the true probabilities of a click.

        Args:
            tokens: (rows,) of every planted field.
        """
        sums = [pair.meet(tokens) for pair in chain.from_iterable(self.patterns)]
        return 1 / (1 + np.exp(-BIAS - self.strength * np.sum(sums, axis=0)))
