"""Vocabulary files that a spec names: tokens whose ids are settled, in the file's order."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.console import InputError
from pipeline.data.fields.binning import MISSING
from pipeline.spec_data import FieldSpec

_TOKEN = "token"


def read_tokens(field: FieldSpec, path: Path) -> pa.StringArray:
    """The tokens of a field's vocabulary file; the first has id 1.

    A ``.parquet`` file has a column ``token``; any other file is text with a token a line. The
    missing value comes last where the file does not have it. But the vocabulary of a dataset, known
    by the null of its out-of-vocabulary row, is taken as it is.

    Raises:
        InputError: when the file cannot be read or repeats a token.
    """
    try:
        tokens = _from_parquet(path) if path.suffix == ".parquet" else _from_text(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; set the vocabulary_file of field {field.name!r}"
        ) from None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a vocabulary that can be read: {error}") from None
    is_of_a_dataset = tokens.null_count > 0
    tokens = tokens.drop_null()
    counts = pc.value_counts(tokens)
    if len(counts) < len(tokens):
        (repeated,) = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")[:1]
        raise InputError(f"{path}: the token {repeated.as_py()!r} is there more than once")
    if pc.index(tokens, MISSING).as_py() < 0 and not is_of_a_dataset:
        tokens = pa.concat_arrays([tokens, pa.array([MISSING])])
    return tokens


def _from_parquet(path: Path) -> pa.StringArray:
    table = pq.read_table(path)
    if _TOKEN not in table.column_names:
        raise InputError(f"{path}: no column {_TOKEN!r}; it has {', '.join(table.column_names)}")
    tokens = table[_TOKEN].combine_chunks().cast(pa.string())
    # Arrow does not look at texts when it reads them.
    tokens.validate(full=True)
    return tokens


def _from_text(path: Path) -> pa.StringArray:
    # Other separators of lines than these two are part of a token.
    text = path.read_bytes().decode("utf-8-sig")
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return pa.array(lines, pa.string())
