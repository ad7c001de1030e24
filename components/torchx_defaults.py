"""Whether .torchxconfig speaks of what there is: TorchX passes over names that it does not know."""

import configparser
import difflib
import inspect
from collections.abc import Collection, Mapping

from torchx.runner.config import find_configs
from torchx.schedulers import get_scheduler_factories
from torchx.util.types import decode, decode_optional, is_primitive

from components import stages

_COMPONENTS = {
    f"mep.{name}": function
    for name, function in inspect.getmembers(stages, inspect.isfunction)
    if function.__module__ == stages.__name__
}
_TRACKERS = "torchx:tracker"


def check_torchxconfig() -> None:
    """Refuses a section, a key or a value that is of no component, scheduler or tracker.

    Raises:
        ValueError: in one line that names the file, the section and the key.
    """
    try:
        files = find_configs()
    except FileNotFoundError as error:  # TORCHXCONFIG names it
        raise ValueError(error) from None
    for file in files:
        for section, keys in _sections(file).items():
            _check_keys(f"{file}: [{section}]", section, keys)


def _sections(file: str) -> dict[str, dict[str, str]]:
    """Keys and values by section, as TorchX reads them."""
    config = configparser.ConfigParser()
    config.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        config.read(file)
        return {name: dict(config.items(name)) for name in config.sections()}
    except configparser.Error as error:
        raise ValueError(f"{file}: {' '.join(str(error).split())}") from None


def _check_keys(place: str, section: str, keys: Mapping[str, str]) -> None:
    types = _types(place, section)
    if types is None:
        return
    for key, value in keys.items():
        if key not in types:
            raise ValueError(f"{place} has no argument {key!r}; {_hint(key, types)}")
        kind = decode_optional(types[key])
        try:
            _ = kind(value) if is_primitive(kind) else decode(value, kind)
        except ValueError as error:
            raise ValueError(f"{place} {key} = {value}: {error}") from None


def _types(place: str, section: str) -> Mapping[str, object] | None:
    """The types of a section's keys; None where they are TorchX's or another package's own."""
    kind, _, name = section.partition(":")
    if kind == "component" and name.startswith("mep."):
        if name not in _COMPONENTS:
            raise ValueError(f"{place}: there is no such component; {_hint(name, _COMPONENTS)}")
        parameters = inspect.signature(_COMPONENTS[name]).parameters
        return {key: parameter.annotation for key, parameter in parameters.items()}
    if section == _TRACKERS or (name and kind in ("cli", "component", "tracker")):
        return None
    schedulers = get_scheduler_factories()
    if section not in schedulers:
        hint = _hint(
            section, [*schedulers, _TRACKERS, *(f"component:{one}" for one in _COMPONENTS)]
        )
        raise ValueError(f"{place}: there is no such section; {hint}")
    try:
        options = schedulers[section](session_name="torchx").run_opts()
    except (ModuleNotFoundError, NameError):
        # Its client's package is not installed; TorchX's scheduler for Ray says so by a NameError.
        return None
    return {key: option.opt_type for key, option in options}


def _hint(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
