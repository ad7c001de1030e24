"""Cgroups that a test lays out in folders."""

from pathlib import Path

import pytest

from pipeline import cgroups


def own_groups(monkeypatch: pytest.MonkeyPatch, folder: Path, *lines: str) -> Path:
    """Has this process be in the groups of these lines; returns where their folders go."""
    mounted, own = folder / "mounted", folder / "own"
    mounted.mkdir()
    own.write_text("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr(cgroups, "MOUNTED", mounted)
    monkeypatch.setattr(cgroups, "OWN_GROUPS", own)
    return mounted


def write_limit(file: Path, text: str) -> None:
    """A limit in its group's folder, which is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")
