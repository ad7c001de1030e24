"""Which tensors of a file are analysed, and which of them are sets of one field."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import InputError
from pipeline.diagnostics.matrices.stored_tensor import StoredTensor

_PARTS = {"*": ".*", "{field}": "(?P<field>.+)", "{set}": "(?P<set>[^.]+)"}
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class ChosenField:
    """The matrices that are analysed side by side.

    Attributes:
        name: what stands at ``{field}``; else the tensor's name, with ``*`` at ``{set}``.
        sets: one or several, of as many rows.
    """

    name: str
    sets: tuple[StoredTensor, ...]

    @property
    def rows(self) -> int:
        """Of each of its matrices."""
        return self.sets[0].shape[0]

    @property
    def columns(self) -> int:
        """Of all its matrices side by side."""
        return sum(matrix.shape[1] for matrix in self.sets)


def choose_fields(
    path: Path, tensors: Sequence[StoredTensor], patterns: Sequence[str]
) -> list[ChosenField]:
    """The fields that the patterns name, in the file's order; see ``MatricesSpec``.

    Raises:
        InputError: a pattern names no matrix; there is none, or several and no pattern; sets of a
            field differ in rows or are named twice.
    """
    matrices = [tensor for tensor in tensors if tensor.is_matrix]
    if not matrices:
        found = "; ".join(map(str, tensors[:_SHOWN])) or "nothing"
        raise InputError(f"{path}: holds no matrix of floating point, but {found}")
    if not patterns:
        if len(matrices) > 1:
            raise InputError(
                f"{path}: holds {len(matrices)} matrices; name the embeddings among them, such as "
                f"tensors='{matrices[0].name}', or all by tensors='*'"
            )
        return [ChosenField(matrices[0].name, (matrices[0],))]
    named: dict[str, dict[str, StoredTensor]] = {}
    for pattern in patterns:
        _match(path, matrices, pattern, named)
    return [_field(path, name, sets) for name, sets in named.items()]


def _match(
    path: Path,
    matrices: Sequence[StoredTensor],
    pattern: str,
    named: dict[str, dict[str, StoredTensor]],
) -> None:
    """Enters what a pattern names: by field, by set."""
    expression = _expression(pattern)
    matches = [(tensor, expression.fullmatch(tensor.name)) for tensor in matrices]
    found = [(tensor, match) for tensor, match in matches if match]
    if not found:
        names = ", ".join(tensor.name for tensor in matrices[:_SHOWN])
        more = f" and {len(matrices) - _SHOWN} more" if len(matrices) > _SHOWN else ""
        raise InputError(f"{path}: tensors: {pattern!r} names no matrix; there are {names}{more}")
    for tensor, match in found:
        groups, field = match.groupdict(), tensor.name
        if "set" in groups:
            field = field[: match.start("set")] + "*" + field[match.end("set") :]
        sets = named.setdefault(groups.get("field", field), {})
        key = groups.get("set", "")
        if sets.get(key, tensor) is not tensor:
            raise InputError(
                f"{path}: tensors: {sets[key].name} and {tensor.name} are the same set of a field; "
                "put {set} where they differ"
            )
        sets[key] = tensor


def _expression(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"(\*|\{field\}|\{set\})", pattern)
    if any(pieces.count(part) > 1 for part in ("{field}", "{set}")):
        raise InputError(f"tensors: {pattern!r} has {{field}} or {{set}} twice")
    return re.compile("".join(_PARTS.get(piece, re.escape(piece)) for piece in pieces))


def _field(path: Path, name: str, sets: dict[str, StoredTensor]) -> ChosenField:
    """A field's sets in the order of their names, 10 after 9."""
    ordered = tuple(sets[key] for key in sorted(sets, key=_number_aware))
    for other in ordered[1:]:
        if other.shape[0] != ordered[0].shape[0]:
            raise InputError(
                f"{path}: sets of field {name!r} differ in rows: {ordered[0].name} has "
                f"{ordered[0].shape[0]:,}, {other.name} {other.shape[0]:,}"
            )
    return ChosenField(name, ordered)


def _number_aware(text: str) -> list[tuple[int, str]]:
    pieces = re.split(r"(\d+)", text)
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces]
