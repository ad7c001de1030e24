"""What a check found."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what.
        state: a ``fault`` keeps the pipeline from training; a ``warning`` may, later.
        found: how it is.
        cure: what to do about it; empty where it is well.
    """

    subject: str
    state: Literal["ok", "warning", "fault"]
    found: str
    cure: str = ""


def well(subject: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, "ok", found)
