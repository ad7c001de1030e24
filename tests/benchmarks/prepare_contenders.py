"""The ways to prepare a log that ``bench_prepare.py`` compares. Each is what a good script does.

All make the same mapping: integers to log-square bins; a token that stands in fewer than 10 rows
has id 0; the others have ids from 1 by falling count, ties by token; a missing value is a token
without a minimum. All write ids in Parquet by split, and the vocabularies.
"""

import math
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.data.fields.binning import log_square_tokens
from pipeline.data.preparation.build import build
from pipeline.data.preparation.splits import split_of_rows
from pipeline.data.sources.text_source import CRITEO
from pipeline.spec import Spec

MINIMUM_COUNT = 10
RATIOS = (0.8, 0.1, 0.1)
COLUMNS = CRITEO.columns
NUMERIC = COLUMNS[1:14]
FIELDS = COLUMNS[1:]


def ours(source: Path, output: Path) -> None:
    """The prepare stage."""
    values = {
        "run": {"directory": str(output)},
        "data": {"format": "criteo", "source": str(source)},
        "prepare": {"minimum_count": MINIMUM_COUNT},
    }
    build(Spec.model_validate(values), {})


def pyarrow_script(source: Path, output: Path) -> None:
    """One pass in memory: dictionary columns, bincount, a lookup array; two threads."""
    text = pa.dictionary(pa.int32(), pa.string())
    table = pa.csv.read_csv(
        source,
        read_options=pa.csv.ReadOptions(column_names=list(COLUMNS)),
        parse_options=pa.csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=pa.csv.ConvertOptions(
            column_types={"label": pa.float32(), **dict.fromkeys(FIELDS, text)}
        ),
    )
    splits = split_of_rows(0, table.num_rows, RATIOS, 0)
    rows = [np.flatnonzero(splits == split) for split in range(3)]
    (output / "vocabulary").mkdir()

    def encode(name: str) -> np.ndarray:
        column = table[name].unify_dictionaries().combine_chunks()
        codes, tokens = column.indices.to_numpy(), column.dictionary
        counts = np.bincount(codes, minlength=len(tokens))
        if name in NUMERIC:
            binned = log_square_tokens(tokens).dictionary_encode()
            of_token = binned.indices.to_numpy()
            counts = np.bincount(of_token, weights=counts).astype(np.int64)
            tokens = binned.dictionary
        kept = np.flatnonzero((counts >= MINIMUM_COUNT) | (tokens.to_numpy(False) == ""))
        known = pa.table({"token": tokens.take(pa.array(kept)), "count": counts[kept], "at": kept})
        known = known.sort_by([("count", "descending"), ("token", "ascending")])
        pq.write_table(known.drop(["at"]), output / f"vocabulary/{name}.parquet")
        ids = np.zeros(len(tokens), dtype=np.int32)
        ids[known["at"].to_numpy()] = np.arange(1, len(kept) + 1)
        return (ids[of_token] if name in NUMERIC else ids).take(codes)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        columns = [table["label"].to_numpy(), *pool.map(encode, FIELDS)]

        def write(split: int) -> None:
            part = pa.table([column.take(rows[split]) for column in columns], names=list(COLUMNS))
            pq.write_table(
                part, output / f"{split}.parquet", compression="lz4", row_group_size=262_144
            )

        list(pool.map(write, range(3)))


def polars_script(source: Path, output: Path) -> None:
    """A join per column."""
    import polars as pl

    frame = pl.read_csv(
        source,
        separator="\t",
        has_header=False,
        quote_char=None,
        new_columns=list(COLUMNS),
        schema_overrides=dict.fromkeys(COLUMNS, pl.String),
    ).with_columns(pl.col("label").cast(pl.Float32), pl.col(FIELDS).fill_null(""))
    value = pl.col(NUMERIC).cast(pl.Float64, strict=False)
    bins = pl.when(value > 2).then((value.log() ** 2).floor().clip(1)).otherwise(value - 2)
    frame = frame.with_columns(bins.cast(pl.Int64).cast(pl.String).fill_null(""))
    splits = split_of_rows(0, len(frame), RATIOS, 0)
    (output / "vocabulary").mkdir()
    columns = [frame["label"]]
    for name in FIELDS:
        counted = frame[name].value_counts()
        kept = counted.filter((pl.col("count") >= MINIMUM_COUNT) | (pl.col(name) == ""))
        known = kept.sort(["count", name], descending=[True, False]).with_row_index("id", offset=1)
        known.write_parquet(output / f"vocabulary/{name}.parquet")
        joined = frame.select(name).join(known, on=name, how="left", maintain_order="left")
        columns.append(joined["id"].fill_null(0).cast(pl.Int32).alias(name))
    encoded = pl.DataFrame(columns)
    for split in range(3):
        part = encoded.filter(pl.Series(splits == split))
        part.write_parquet(output / f"{split}.parquet", compression="lz4", row_group_size=262_144)


def duckdb_script(source: Path, output: Path) -> None:
    """A join per column, the rows in any order."""
    import duckdb

    (output / "vocabulary").mkdir()
    connection = duckdb.connect()
    connection.execute(f"SET threads = {os.cpu_count()}; SET preserve_insertion_order = false")
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS)
    shown = ", ".join(
        f"""coalesce(CAST(CAST(CASE WHEN TRY_CAST({name} AS DOUBLE) > 2
            THEN greatest(floor(ln(TRY_CAST({name} AS DOUBLE)) ** 2), 1)
            ELSE TRY_CAST({name} AS DOUBLE) - 2 END AS BIGINT) AS VARCHAR), '') AS {name}"""
        if name in NUMERIC
        else f"coalesce({name}, '') AS {name}"
        for name in FIELDS
    )
    connection.execute(
        f"""CREATE TABLE log AS SELECT CAST(label AS FLOAT) AS label, {shown},
        CAST(floor(random() * 10) AS INT) AS piece FROM read_csv('{source}', delim='\t',
        header=false, quote='', escape='', nullstr='', columns={{{types}}})"""
    )
    for name in FIELDS:
        connection.execute(
            f"""CREATE TABLE v_{name} AS SELECT {name} AS token, n,
            CAST(row_number() OVER (ORDER BY n DESC, {name}) AS INT) AS id FROM
            (SELECT {name}, count(*) AS n FROM log GROUP BY {name})
            WHERE n >= {MINIMUM_COUNT} OR {name} = ''"""
        )
        connection.execute(f"COPY v_{name} TO '{output}/vocabulary/{name}.parquet'")
    ids = ", ".join(f"coalesce(v_{name}.id, 0) AS {name}" for name in FIELDS)
    joins = " ".join(f"LEFT JOIN v_{name} ON log.{name} = v_{name}.token" for name in FIELDS)
    connection.execute(f"CREATE TABLE ids AS SELECT label, {ids}, piece FROM log {joins}")
    for split, pieces in enumerate(("piece < 8", "piece = 8", "piece = 9")):
        connection.execute(
            f"""COPY (SELECT * EXCLUDE piece FROM ids WHERE {pieces})
            TO '{output}/{split}.parquet' (COMPRESSION lz4, ROW_GROUP_SIZE 262144)"""
        )


def line_by_line(source: Path, output: Path) -> None:
    """Two passes of plain Python."""
    (output / "vocabulary").mkdir()
    counters: list[Counter[str]] = [Counter() for _ in FIELDS]
    with source.open() as file:
        for line in file:
            for counter, token in zip(counters, _tokens(line), strict=True):
                counter[token] += 1
    vocabularies = []
    for name, counter in zip(FIELDS, counters, strict=True):
        kept = [(t, n) for t, n in counter.items() if n >= MINIMUM_COUNT or not t]
        kept.sort(key=lambda pair: (-pair[1], pair[0]))
        table = pa.table({"token": [t for t, _ in kept], "count": [n for _, n in kept]})
        pq.write_table(table, output / f"vocabulary/{name}.parquet")
        vocabularies.append({token: number for number, (token, _) in enumerate(kept, start=1)})
    splits = split_of_rows(0, counters[0].total(), RATIOS, 0).tolist()
    encoded: list[list[list[float]]] = [[], [], []]
    with source.open() as file:
        for line, split in zip(file, splits, strict=True):
            ids = [v.get(t, 0) for v, t in zip(vocabularies, _tokens(line), strict=True)]
            encoded[split].append([int(line[0]), *ids])
    for split, rows in enumerate(encoded):
        columns = np.array(rows, dtype=np.int32).T
        pq.write_table(pa.table(list(columns), names=list(COLUMNS)), output / f"{split}.parquet")


def _tokens(line: str) -> list[str]:
    values = line.rstrip("\n").split("\t")[1:]
    for index in range(13):
        if values[index]:
            number = int(values[index])
            if number > 2:
                values[index] = str(max(int(math.log(number) ** 2), 1))
            else:
                values[index] = str(number - 2)
    return values


CONTENDERS = {
    "ours": ours,
    "pyarrow": pyarrow_script,
    "polars": polars_script,
    "duckdb": duckdb_script,
    "line by line": line_by_line,
}
