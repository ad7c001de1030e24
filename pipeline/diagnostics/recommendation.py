"""What to change about a model's embeddings, from how far they have collapsed."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from pipeline.diagnostics.collapse import (
    PARTLY_COLLAPSED_SHARE,
    VERDICT_ENERGY,
    FieldCollapse,
)

# Sets of a lower mean diversity span nearly the same space: cosines of 0.9 on average. Sets that
# start at random in fields of many rows have more than 0.9.
ALIKE = 0.1

_ENERGY = f"{100 * VERDICT_ENERGY:.0f} % of the energy"

Advice = Literal["more sets", "fewer dimensions", "fewer sets", "nothing"]


@dataclass(frozen=True)
class Recommendation:
    """One piece of advice.

    Attributes:
        advice: in two words.
        reason: the figures that it rests on, a sentence or two.
    """

    advice: Advice
    reason: str


def recommend(collapse: Sequence[FieldCollapse]) -> Recommendation:
    """The advice for a model, from the fields whose rows do not limit their dimensions.

    - Sets that span the same space: fewer sets.
    - At least half of these fields spread: nothing.
    - Not one of them needs more than half of the dimensions: fewer dimensions, for the matrices
      would hold the same.
    - Otherwise more sets: some fields use what they have, others cannot, and more columns of one
      set would collapse with them (the paper, Sections 3 and 5).

    Advice on sizes is about what the matrices use. Whether AUC follows is for a trial run to say.

    Args:
        collapse: of every field.
    """
    free = [field for field in collapse if field.cardinality > field.together.dimensions]
    if not free:
        return Recommendation(
            "nothing", "No field has more rows than dimensions, so rows alone set the limit."
        )
    diversity = [field.diversity for field in free if field.diversity is not None]
    if diversity and fmean(diversity) < ALIKE:
        return Recommendation(
            "fewer sets",
            f"The sets span nearly the same space: their mean diversity is {fmean(diversity):.2f}.",
        )
    dimensions, most = free[0].together.dimensions, max(map(_used, free))
    if median(field.used_share for field in free) > PARTLY_COLLAPSED_SHARE:
        return Recommendation(
            "nothing",
            f"{_half_needs(free, 'more')}: no collapse to cure. A wider embedding would be used "
            "too; whether AUC gains, a trial says.",
        )
    if most <= dimensions / 2:
        return Recommendation(
            "fewer dimensions",
            f"No field needs more than {most} of {dimensions} dimensions for {_ENERGY}; a smaller "
            "size would hold the same.",
        )
    others = f", while others need up to {most}" if most > median(map(_used, free)) else ""
    return Recommendation(
        "more sets",
        f"{_half_needs(free, 'less')}{others}. More columns would collapse with these; a set more "
        "brings an interaction of its own.",
    )


def _used(field: FieldCollapse) -> int:
    return field.together.dimensions_for(VERDICT_ENERGY)


def _half_needs(free: Sequence[FieldCollapse], bound: Literal["more", "less"]) -> str:
    """What half of the fields need at the least, or at the most; what the only one needs."""
    dimensions, needed = free[0].together.dimensions, median(map(_used, free))
    if len(free) == 1:
        return f"{free[0].name} needs {needed} of its {dimensions} dimensions for {_ENERGY}"
    return (
        f"Half of the fields that could fill {dimensions} dimensions need {needed:g} or {bound} of "
        f"them for {_ENERGY}"
    )
