"""Reads a spec from TOML, with overrides, and writes the resolved one.

    spec = load_spec(Path("specs/demo.toml"), ["model.sets=4", "train.epochs=2"])
    study = load_section(StudySpec, Path("specs/studies/frappe.toml"), ["grid.seeds=[0]"])

A ``key=value`` override replaces any value by its dotted path; the value is read as TOML and, where
that fails, as a plain string. ``key=`` removes what the file sets.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ValidationError

from pipeline.console import InputError, without_credentials
from pipeline.spec import Spec
from pipeline.spec_section import Section

Kind = TypeVar("Kind", bound=Section)


def to_toml(spec: Spec) -> str:
    """The resolved spec, with every default written out, for people: without credentials."""
    return without_credentials(tomli_w.dumps(_values(spec)))


def overridden(spec: Spec, overrides: Sequence[str]) -> Spec:
    """A spec with ``key=value`` overrides.

    Raises:
        InputError: naming the run directory and the key, what was found and what is allowed.
    """
    return fill_section(Spec, Path(spec.run.directory), _values(spec), overrides)


def _values(spec: Spec) -> dict[str, Any]:
    """What a TOML file of the resolved spec holds."""
    short_form = {"interaction", "sets", "embedding_dim"} if spec.model.groups else set()
    return spec.model_dump(mode="json", exclude_none=True, exclude={"model": short_form})


def load_spec(path: Path, overrides: Sequence[str] = ()) -> Spec:
    """Reads an experiment's spec and applies ``key=value`` overrides.

    Raises:
        InputError: as ``load_section``.
    """
    return load_section(Spec, path, overrides)


def load_section(kind: type[Kind], path: Path, overrides: Sequence[str] = ()) -> Kind:
    """Reads a TOML file of any kind and applies ``key=value`` overrides.

    Raises:
        InputError: naming the file and the key, what was found and what is allowed.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such spec file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    return fill_section(kind, path, values, overrides)


def fill_section(
    kind: type[Kind], path: Path, values: dict[str, Any], overrides: Sequence[str]
) -> Kind:
    """Applies ``key=value`` overrides to nested values, and checks them.

    Raises:
        InputError: naming ``path`` and the key, what was found and what is allowed.
    """
    for override in overrides:
        _apply(values, override)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InputError("\n".join(_explain(kind, path, item) for item in error.errors())) from None


def _apply(values: dict[str, Any], override: str) -> None:
    """Sets one dotted key in nested ``values``, or removes it when nothing follows the ``=``."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise InputError(f"{override!r}: an override is written key=value, such as model.sets=4")
    *parents, last = key.split(".")
    table: Any = values
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise InputError(f"{override!r}: {parent!r} is not a table of the spec")
    if not text:
        if last not in table:
            raise InputError(
                f"{override!r}: the spec does not set {key}, so there is none to remove"
            )
        del table[last]
        return
    try:
        table[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = text


def _explain(kind: type[BaseModel], path: Path, error: Mapping[str, Any]) -> str:
    """One line for one validation error: file, key, what was found, what is allowed."""
    location = [str(part) for part in error["loc"]]
    key = ".".join(location) or "the spec"
    if error["type"] != "extra_forbidden":
        message = error["msg"].removeprefix("Value error, ")
        found = "" if isinstance(error["input"], dict) else f", found {error['input']!r}"
        return f"{path}: {key}: {message}{found}"
    known = sorted(_section(kind, location[:-1]).model_fields)
    near = difflib.get_close_matches(location[-1], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"{path}: {key}: unknown key; {hint}"


def _section(section: type[BaseModel], location: Sequence[str]) -> type[BaseModel]:
    """The section class at a dotted path below another."""
    for part in location:
        if part.isdigit():
            continue
        annotation = section.model_fields[part].annotation
        section = next(kind for kind in _leaves(annotation) if issubclass(kind, BaseModel))
    return section


def _leaves(annotation: Any) -> list[type]:
    """The plain classes inside an annotation such as ``tuple[FieldSpec, ...]`` or ``X | None``."""
    inner = getattr(annotation, "__args__", ())
    if inner:
        return [leaf for part in inner for leaf in _leaves(part)]
    return [annotation] if isinstance(annotation, type) else []
