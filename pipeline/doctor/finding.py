"""What a check found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "fault", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what.
        state: a ``fault`` keeps the pipeline from training; a ``warning`` may, later; what is
            ``skipped`` cannot be tried before a fault is mended.
        found: how it is.
        cure: what to do about it, a line for each step or choice; empty where it is well.
    """

    subject: str
    state: State
    found: str
    cure: str = ""


def well(subject: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, "ok", found)
