"""What the diagnostics of the base run advised, and whether larger models proved it right.

The advice is that of a run's report (diagnostics/recommendation.py), given for the single embedding
at the smallest factor, from its spectra alone. A larger factor then shows what would have come of
following it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.study.results import Entry
from pipeline.study.significance import Comparison

# Of test AUC: what counts as a gain in click prediction (the paper's footnote in Section 5.2).
NOTICEABLE = 0.001
SURE = 0.05

Outcome = Literal["right", "partly right", "wrong", "not sure", "not tried"]


@dataclass(frozen=True)
class Verdict:
    """The advice for a base run and what a larger factor made of it.

    Attributes:
        base: the single embedding at the smallest factor.
        factor: the larger one.
        advice: what most seeds were advised.
        agreeing: how many of them.
        wider, more_sets: test AUC of the single embedding and of multi-embedding at the factor,
            over the base.
        sets_over_wider: of multi-embedding over the single one at the factor.
    """

    base: Entry
    factor: int
    advice: str
    agreeing: int
    wider: Comparison
    more_sets: Comparison
    sets_over_wider: Comparison

    @property
    def outcome(self) -> Outcome:
        """Whether the advice was right.

        "More sets" is right if they gain and a wider single embedding does not gain more, partly
        right if it does. "Nothing" and "fewer dimensions" are right if nothing larger gains.
        "Nothing" says that nothing has collapsed; it is partly right if a larger model gains, but
        the sets have no lead over the wider single embedding, for then collapse was not the limit.
        Where a gain is noticeable but the seeds are too few to be sure of it, so is the verdict.
        """
        if self.advice == "more sets":
            if not is_gain(self.more_sets):
                return "not sure" if is_noticeable(self.more_sets) else "wrong"
            return "partly right" if is_gain(self.sets_over_wider, -1) else "right"
        if self.advice not in ("nothing", "fewer dimensions"):
            return "not tried"
        if not is_gain(self.more_sets) and not is_gain(self.wider):
            unsure = is_noticeable(self.more_sets) or is_noticeable(self.wider)
            return "not sure" if unsure else "right"
        if self.advice == "nothing" and not is_gain(self.sets_over_wider):
            return "partly right"
        return "wrong"


def is_gain(comparison: Comparison, sign: int = 1) -> bool:
    """Whether a difference is noticeable and, where there are several seeds, sure."""
    sure = comparison.p is None or comparison.p < SURE
    return is_noticeable(comparison, sign) and sure


def is_noticeable(comparison: Comparison, sign: int = 1) -> bool:
    """Whether a difference is as large as counts, whatever its p."""
    return sign * comparison.difference >= NOTICEABLE


def verdicts_of(entries: Sequence[Entry]) -> list[Verdict]:
    """A verdict for each single embedding at the smallest factor and each larger factor tried."""
    smallest = min(entry.factor for entry in entries)
    # A variant on the grid's own data is compared with the grid's base: no advice of its own.
    bases = [
        one
        for one in entries
        if (one.row.embedding, one.factor) == ("single", smallest) and one.over_base is None
    ]
    return [verdict for base in bases for verdict in _verdicts(base, entries)]


def _verdicts(base: Entry, entries: Iterable[Entry]) -> Iterable[Verdict]:
    advice = Counter(one.advice for one in base.results if one.advice is not None)
    if not advice:
        return
    (most, agreeing), *_ = advice.most_common(1)
    own = [entry for entry in entries if _model(entry) == _model(base)]
    wide = {entry.factor: entry.over_base for entry in own if entry.row.embedding == "single"}
    for entry in own:
        wider, more_sets, over = wide.get(entry.factor), entry.over_base, entry.over_single
        if entry.row.embedding == "multi" and wider and more_sets and over:
            yield Verdict(base, entry.factor, most, agreeing, wider, more_sets, over)


def _model(entry: Entry) -> tuple[str, str, str]:
    return entry.row.base, entry.row.interaction, entry.row.variant
