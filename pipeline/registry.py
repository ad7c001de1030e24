"""Interactions, heads and towers by name: the built-in ones, and those of other packages.

A name in a spec is a built-in one, an entry point's, or ``package.module:Class``. An entry point is
declared in a package's ``pyproject.toml``:

    [project.entry-points."multi_embedding.interactions"]
    my_interaction = "my_package.my_module:MyInteraction"

Names are checked when a spec is read; classes are imported when a model is built.
"""

import difflib
import functools
import importlib
import re
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, TypeVar

from pipeline.console import InputError

Kind = Literal["interaction", "head", "tower"]
Base = TypeVar("Base")

_MODEL = "pipeline.model."
BUILT_IN: dict[Kind, dict[str, str]] = {
    "interaction": {
        "autoint": f"{_MODEL}interactions.autoint:AutoInt",
        "dcnv2": f"{_MODEL}interactions.dcnv2:DCNv2",
        "dnn": f"{_MODEL}interactions.dnn:DNN",
        "ffm": f"{_MODEL}interactions.ffm:FFM",
        "finalmlp": f"{_MODEL}interactions.finalmlp:FinalMLP",
        "fm": f"{_MODEL}interactions.fm:FM",
        "ipnn": f"{_MODEL}interactions.ipnn:IPNN",
        "nfwfm": f"{_MODEL}interactions.nfwfm:NFwFM",
        "regularized_dcnv2": f"{_MODEL}interactions.regularized_dcnv2:RegularizedDCNv2",
        "wukong": f"{_MODEL}interactions.wukong:Wukong",
        "xdeepfm": f"{_MODEL}interactions.xdeepfm:XDeepFM",
    },
    "head": {
        "gate": f"{_MODEL}heads.gate:GateHead",
        "mean": f"{_MODEL}heads.mean:MeanHead",
        "sparse_gate": f"{_MODEL}heads.sparse_gate:SparseGateHead",
    },
    "tower": {
        "finalmlp": f"{_MODEL}towers.finalmlp:FinalMLPTower",
        "mlp": f"{_MODEL}towers.mlp:MLPTower",
        "sum": f"{_MODEL}towers.sum:SumTower",
        "xdeepfm": f"{_MODEL}towers.xdeepfm:XDeepFMTower",
    },
}
_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def check_name(kind: Kind, name: str) -> str:
    """The name, if it can stand for a component of this kind.

    Raises:
        ValueError: it is neither known nor an import path.
    """
    known = {**BUILT_IN[kind], **_entry_points(kind)}
    if name in known or _IMPORT_PATH.fullmatch(name):
        return name
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(
        f"no {kind} of this name; {hint}there are {', '.join(sorted(known))}, "
        "or give an import path, package.module:Class"
    )


def load_component(kind: Kind, name: str, base: type[Base]) -> type[Base]:
    """The class that a name stands for.

    Raises:
        InputError: it cannot be imported, or is no subclass of ``base``.
    """
    path = BUILT_IN[kind].get(name)
    if path is None:
        others = _entry_points(kind)
        path = others[name].value if name in others else name
    module, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"model: the {kind} {name!r} cannot be imported: {error}") from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise InputError(
            f"model: the {kind} {name!r} is no subclass of {base.__module__}.{base.__name__}"
        )
    return found


@functools.cache
def _entry_points(kind: Kind) -> dict[str, EntryPoint]:
    """Those of all installed packages, whose metadata is read once in a process: 10 ms a time."""
    return {point.name: point for point in entry_points(group=f"multi_embedding.{kind}s")}
