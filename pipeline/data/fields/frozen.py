"""The encodings of a prepared dataset, used for new data: equal tokens, equal ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import InputError
from pipeline.data.fields.counts import Counts
from pipeline.data.fields.dataset_vocabulary import vocabulary_path
from pipeline.data.fields.standardization import Standardization
from pipeline.data.fields.token_ids import read_edges, settled_ids
from pipeline.data.fields.vocabulary import Encoding, recount
from pipeline.data.fields.vocabulary_file import read_tokens
from pipeline.data.manifest import Manifest, read_manifest
from pipeline.data.whole_files import file_digest
from pipeline.spec_data import FieldSpec


@dataclass(frozen=True)
class FrozenEncodings:
    """A dataset whose encodings are used."""

    directory: Path
    manifest: Manifest

    def encoding(self, field: FieldSpec, counted: Counts) -> Encoding:
        """The dataset's encoding of a field, with the counts of the data that are here.

        Raises:
            InputError: when its vocabulary cannot be read, or is not the manifest's.
        """
        for dense in self.manifest.dense:
            if dense.name == field.name:
                return Standardization(dense.mean, dense.deviation)
        path = vocabulary_path(self.directory, field.name)
        if settled := settled_ids(field, counted):
            return settled
        try:
            return recount(read_tokens(field, path), read_edges(path), counted)
        finally:
            # After it was read, so that nothing else can have been; and whatever became of that.
            self._check_unchanged(path)

    def _check_unchanged(self, path: Path) -> None:
        name = path.relative_to(self.directory).as_posix()
        if not path.is_file() or file_digest(path) != self.manifest.file_digests[name]:
            raise InputError(
                f"{path}: not the file that the manifest names: it was changed, or the dataset was "
                "replaced during this run; start again, and if this is said again, prepare "
                f"{self.directory} again"
            )


def open_frozen(directory: Path, fields: Sequence[FieldSpec]) -> FrozenEncodings:
    """The encodings of a dataset.

    Args:
        directory: the dataset directory.
        fields: those to encode.

    Raises:
        InputError: when there is no dataset, or its fields are not these or have other tokens.
    """
    manifest = read_manifest(directory)
    there = {field.name: field.recipe for field in manifest.fields}
    there |= {field.name: field.kind for field in manifest.dense}
    here = {field.name: field.recipe for field in fields}
    if list(here) != [name for name in here if name in there] or len(here) != len(there):
        raise InputError(
            f"{directory}: data.vocabulary_from has the fields {', '.join(there)}; the spec has "
            f"{', '.join(here)}"
        )
    for name, recipe in here.items():
        if there[name] != recipe:
            raise InputError(
                f"{directory}: data.vocabulary_from has field {name!r} as {there[name]!r}; the "
                f"spec has {recipe!r}"
            )
    return FrozenEncodings(directory, manifest)
