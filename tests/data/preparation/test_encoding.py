"""The second pass, in threads."""

import pickle
import time
from pathlib import Path

import pytest

from pipeline.data.fields import vocabulary
from pipeline.data.preparation.build import build


def test_threads_share_the_vocabularies_and_their_tables(
    make_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    load, make_table = pickle.loads, vocabulary._table_of

    def loads(content: bytes) -> object:
        made.append("vocabularies")
        time.sleep(0.2)
        return load(content)

    def table_of(tokens: object) -> object:
        made.append("table")
        time.sleep(0.2)
        return make_table(tokens)

    monkeypatch.setattr(pickle, "loads", loads)
    monkeypatch.setattr(vocabulary, "_table_of", table_of)
    rows = "".join(f"{row % 2},{row % 5},{row % 3}\n" for row in range(40))
    (tmp_path / "log.csv").write_text("label,color,size\n" + rows)
    spec = make_spec(
        prepare={"threads": 4, "part_rows": 5, "ratios": [1, 1e-9, 1e-9]},
        format="csv",
        source=str(tmp_path / "log.csv"),
        fields=[{"name": "color"}, {"name": "size"}],
    )
    assert len(build(spec, {}).splits["train"].parts) == 8
    assert made == ["vocabularies", "table", "table"]
