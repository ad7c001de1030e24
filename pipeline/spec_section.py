"""What sections of the spec are made of: strict, frozen tables, paths with variables, formats."""

import os
import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def _value(variable: re.Match[str]) -> str:
    name, default = variable.groups()
    found = os.environ.get(name) or default
    if found is None:
        state = "empty" if name in os.environ else "not set"
        raise ValueError(f"the environment variable {name} is {state} and has no default")
    return found


def expand(text: str) -> str:
    """The text with ``${NAME:-default}`` filled from the environment."""
    return _VARIABLE.sub(_value, text)


def _given(text: str) -> str:
    # After the variables, any of which may be empty.
    if not text:
        raise ValueError("it is empty; name a path")
    return text


def _on_this_machine(path: str) -> str:
    if "://" in path:
        raise ValueError("a path of this machine is expected, not a URL")
    return path


def _read_back(time_format: str) -> str:
    """A format in which a time that is written can be read again.

    ``strptime`` makes a regular expression of it, and lets that one's errors through.
    """
    try:
        datetime.strptime(_A_TIME.strftime(time_format), time_format)
    except (ValueError, re.error) as error:
        raise ValueError(
            f"{time_format!r} is no format that Python's strptime reads: {error}"
        ) from None
    return time_format


_A_TIME = datetime(2024, 10, 21, 17, 5, tzinfo=UTC)
TimeFormat = Annotated[str, AfterValidator(_read_back)]
_EXPANDED = AfterValidator(expand)
PathText = Annotated[str, _EXPANDED]
GivenPath = Annotated[str, _EXPANDED, AfterValidator(_given)]
# Beside a path that no URL may take the place of.
LOCAL = AfterValidator(_on_this_machine)
# TOML has arrays where Python has tuples.
Lax = Field(strict=False)


class Section(BaseModel):
    """A table of the spec: frozen, and strict about its keys and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
