"""How far each field's embeddings have collapsed: each set alone, all together, and set to set."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any, Literal

import torch
from torch import Tensor

from pipeline.diagnostics.field_gram import FieldGram
from pipeline.diagnostics.random_reference import random_abundance, random_dimensions
from pipeline.diagnostics.spectrum import (
    dimensions_for,
    effective_rank,
    information_abundance,
    participation_ratio,
    singular_values,
)

# The energy that a verdict counts dimensions for.
VERDICT_ENERGY = 0.95

# A field is collapsed when that energy fits into this share of the dimensions that a random matrix
# of its shape needs for it, and partly collapsed up to the second. A convention.
COLLAPSED_SHARE, PARTLY_COLLAPSED_SHARE = 1 / 3, 2 / 3

# A direction whose singular value is below this share of its set's largest does not count to the
# set's column space. The inverse root of a Gram matrix multiplies its error of about 1e-15 by
# 1 / (s s'), so cosines of principal angles are good to 1e-7; a weaker direction is rounding.
SUBSPACE_FLOOR = 1e-4

# Into how many parts a single set is cut, to compare it with as many sets.
SPLITS = range(2, 11)


@dataclass(frozen=True)
class Spectrum:
    """The measures of one matrix (see ``pipeline.diagnostics.spectrum``).

    Attributes:
        singular_values: one a column, descending, over the largest; zeros for the zero matrix.
    """

    information_abundance: float
    effective_rank: float
    participation_ratio: float
    singular_values: tuple[float, ...]

    @property
    def dimensions(self) -> int:
        """The matrix's columns."""
        return len(self.singular_values)

    def dimensions_for(self, share: float) -> int:
        """The fewest dimensions that carry ``share`` of the energy."""
        return dimensions_for(torch.tensor(self.singular_values, dtype=torch.float64), share)


@dataclass(frozen=True)
class FieldCollapse:
    """One field's embeddings.

    Attributes:
        name: the field.
        cardinality: rows of its tables.
        sets: each set's own spectrum.
        together: of all sets side by side, (cardinality, sum of the sets' columns).
        weighted: the same with every row weighted by how often it occurs.
        random_abundance: the information abundance of a Gaussian matrix of the shape of
            ``together`` (Appendix I).
        random_dimensions: the dimensions that carry 95 % of such a matrix's energy.
        diversity: 1 - the mean cosine of the principal angles between two sets' column spaces,
            averaged over pairs of sets (paper, Section 5.3): 0 where they are the same space, as
            they must be in a field of no more rows than columns. None with a single set.
    """

    name: str
    cardinality: int
    sets: tuple[Spectrum, ...]
    together: Spectrum
    weighted: Spectrum
    random_abundance: float
    random_dimensions: float
    diversity: float | None

    @property
    def abundance_by_dimension(self) -> float:
        """Information abundance over the columns, IA(E) / K (Appendix I)."""
        return self.together.information_abundance / self.together.dimensions

    @property
    def abundance_over_random(self) -> float:
        """Information abundance over that of a random matrix, IA(E) / E[IA(R)] (Appendix I)."""
        return self.together.information_abundance / self.random_abundance

    @property
    def possible_dimensions(self) -> int:
        """What the rank can be at the most: no more than rows, no more than columns."""
        return min(self.cardinality, self.together.dimensions)

    @property
    def used_share(self) -> float:
        """The dimensions that carry 95 % of the energy, over those of a random matrix."""
        return self.together.dimensions_for(VERDICT_ENERGY) / self.random_dimensions

    @property
    def level(self) -> Literal["collapsed", "partly collapsed", "spread"]:
        """The verdict in a word."""
        if self.used_share <= COLLAPSED_SHARE:
            return "collapsed"
        return "partly collapsed" if self.used_share <= PARTLY_COLLAPSED_SHARE else "spread"

    @property
    def verdict(self) -> str:
        """One plain sentence, such as "3 of 10 dimensions carry 95 % of the energy"."""
        used, columns = self.together.dimensions_for(VERDICT_ENERGY), self.together.dimensions
        if used == 0:
            return f"all {columns} dimensions are zero"
        limited = "possible " if self.cardinality < columns else ""
        verb = "carries" if used == 1 else "carry"
        expected = round(self.random_dimensions)
        random = "" if expected == self.possible_dimensions else f", {expected} in a random matrix"
        return (
            f"{used} of {self.possible_dimensions} {limited}dimensions {verb} "
            f"{100 * VERDICT_ENERGY:.0f} % of the energy{random}"
        )


def analyse_field(gram: FieldGram) -> FieldCollapse:
    """Measures a field from the Gram matrices of its sets side by side."""
    widths = gram.widths
    blocks = _blocks(gram.plain, widths)
    return FieldCollapse(
        name=gram.name,
        cardinality=gram.rows,
        sets=tuple(spectrum_of(blocks[m][m]) for m in range(len(widths))),
        together=spectrum_of(gram.plain),
        weighted=spectrum_of(gram.weighted),
        random_abundance=random_abundance(gram.rows, sum(widths)),
        random_dimensions=random_dimensions(gram.rows, sum(widths), VERDICT_ENERGY),
        diversity=_diversity(blocks) if len(widths) > 1 else None,
    )


def summarise(fields: Sequence[FieldCollapse]) -> dict[str, Any]:
    """The figures of all fields, ready for JSON.

    Returns:
        ``information_abundance``: by field, of all sets side by side (``all``) and of each set
        (``sets``), with rows weighted by their counts (``weighted``), of a random matrix
        (``random``), and ``mean``, over fields, of ``all``. ``cardinality`` by field. With several
        sets also ``diversity``: by field and its ``mean``.
    """
    abundances = {
        field.name: {
            "all": field.together.information_abundance,
            "sets": [one.information_abundance for one in field.sets],
            "weighted": field.weighted.information_abundance,
            "random": field.random_abundance,
        }
        for field in fields
    }
    mean = fmean(field.together.information_abundance for field in fields)
    summary: dict[str, Any] = {
        "information_abundance": {"fields": abundances, "mean": mean},
        "cardinality": {field.name: field.cardinality for field in fields},
    }
    diversity = {field.name: field.diversity for field in fields if field.diversity is not None}
    if diversity:
        summary["diversity"] = {"fields": diversity, "mean": fmean(diversity.values())}
    return summary


def split_diversity(grams: Sequence[FieldGram]) -> dict[str, float]:
    """What the diversity between sets is compared with: that between parts of a single set.

    Figure 10a of the paper cuts a single embedding of 4 K columns into 4 parts of K, beside 4 sets.

    Args:
        grams: the fields of a single set of K columns.

    Returns:
        By the number of equal parts, of those in ``SPLITS`` that divide K: the mean over fields.
    """
    columns = grams[0].plain.shape[0]
    return {
        str(parts): fmean(
            _diversity(_blocks(gram.plain, [columns // parts] * parts)) for gram in grams
        )
        for parts in SPLITS
        if columns % parts == 0
    }


def _blocks(gram: Tensor, widths: Sequence[int]) -> list[tuple[Tensor, ...]]:
    """The Gram matrix by pairs of sets, ``(E^(m))^T E^(m')``."""
    return [rows.split(list(widths), dim=1) for rows in gram.split(list(widths))]


def spectrum_of(gram: Tensor) -> Spectrum:
    """The measures of the matrix that a Gram matrix (K, K) was made from."""
    values = singular_values(gram)
    normalised = values / values[0] if values[0] > 0 else values
    return Spectrum(
        information_abundance=information_abundance(values),
        effective_rank=effective_rank(values),
        participation_ratio=participation_ratio(values),
        singular_values=tuple(normalised.tolist()),
    )


def _diversity(blocks: Sequence[Sequence[Tensor]]) -> float:
    """The mean over pairs of sets of 1 - the mean cosine of their principal angles."""
    roots = [_inverse_root(blocks[m][m]) for m in range(len(blocks))]
    pairs = combinations(range(len(blocks)), 2)
    return fmean(1 - _mean_cosine(roots[m].T @ blocks[m][n] @ roots[n]) for m, n in pairs)


def _inverse_root(gram: Tensor) -> Tensor:
    """W (K, rank) such that ``E W`` is an orthonormal basis of E's column space."""
    values, vectors = torch.linalg.eigh(gram)
    kept = values > SUBSPACE_FLOOR**2 * values[-1].clamp(min=0)
    return vectors[:, kept] / values[kept].sqrt()


def _mean_cosine(overlap: Tensor) -> float:
    """The mean cosine, from ``U^T U'`` (rank, rank')."""
    if 0 in overlap.shape:
        return 1.0  # A set that is the zero matrix adds no direction to another.
    return float(torch.linalg.svdvals(overlap).clamp(max=1).mean())
