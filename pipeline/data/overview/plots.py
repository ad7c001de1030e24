"""The page's figures, written as SVG by hand: importing matplotlib would take 0.6 s."""

import math
from collections.abc import Mapping
from html import escape

from pipeline.data.overview.facts import FieldFacts, SplitFacts
from pipeline.data.overview.wording import shown_share

_WIDTH, _LEFT, _RIGHT, _STEP = 360, 40, 62, 30


def label_rate_bars(splits: Mapping[str, SplitFacts]) -> str:
    """A bar a split, and train's rate as a dashed line over all of them."""
    rates = {name: split.label_rate for name, split in splits.items()}
    highest = max((rate for rate in rates.values() if rate), default=1.0)
    room, height = _WIDTH - _LEFT - _RIGHT, _STEP * len(rates)
    marks = [
        _rate_bar(name, rate, room * (rate or 0.0) / highest, _STEP * place)
        for place, (name, rate) in enumerate(rates.items())
    ]
    expected = _LEFT + room * (rates["train"] or 0.0) / highest
    label = "Label rate by split: " + ", ".join(
        f"{name} {shown_share(rate)}" for name, rate in rates.items()
    )
    marks.append(
        f'<line class="expected" x1="{expected:.1f}" y1="0" x2="{expected:.1f}" y2="{height}"/>'
    )
    head = f'<svg class="figure rates" role="img" viewBox="0 0 {_WIDTH} {height}"'
    return "\n".join([f'{head} aria-label="{escape(label)}">', *marks, "</svg>"])


def _rate_bar(name: str, rate: float | None, length: float, top: float) -> str:
    return (
        f'<text class="axis" x="0" y="{top + 19}">{name}</text>'
        f'<rect class="bar" x="{_LEFT}" y="{top + 5}" width="{length:.1f}" height="{_STEP - 10}"/>'
        f'<text class="end" x="{_WIDTH}" y="{top + 19}">{_rate(rate)}</text>'
    )


def _rate(rate: float | None) -> str:
    return "no rows" if rate is None else f"{100 * rate:.2f} %"


def coverage_sparkline(field: FieldFacts) -> str:
    """The share of occurrences that the most frequent ids cover, over their number, as an area."""
    width = math.log(max(field.ids_used, 2))
    points = [(100 * math.log(ids) / width, 20 - 20 * share) for ids, share in field.coverage]
    if len(points) == 1:
        points.append((100.0, points[0][1]))
    line = " ".join(f"L{x:.1f} {y:.1f}" for x, y in points)
    halfway = next((ids for ids, share in field.coverage if share >= 0.5), 0)
    label = f"{halfway:,} of {field.ids_used:,} ids cover half of the occurrences or more"
    return (
        '<svg class="sparkline" role="img" viewBox="0 0 100 20" preserveAspectRatio="none" '
        f'aria-label="{label}"><path d="M0 20 {line} L100 20 Z"/></svg>'
    )
