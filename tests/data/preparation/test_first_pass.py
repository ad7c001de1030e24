"""What is left of the first pass's record when the machine goes down."""

import pytest

from pipeline.data.preparation import build as build_module
from pipeline.data.preparation.build import build
from pipeline.data.sources.text_source import TextSource


@pytest.mark.parametrize(
    "left", [b"", b"\0" * 90, b'{"owners": [0'], ids=["empty", "zeros", "cut short"]
)
def test_a_damaged_record_costs_another_reading_and_no_parsing(
    csv_spec, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    spec = csv_spec(b"label,color,size\n" + b"1,red,2\n" * 50)
    with monkeypatch.context() as context:
        context.setattr(build_module, "_learn", stop)
        with pytest.raises(KeyboardInterrupt):
            build(spec, {})
    record = spec.dataset_directory.with_name("dataset.partial") / "work/read.json"
    assert record.is_file()
    record.write_bytes(left)
    monkeypatch.setattr(TextSource, "parse", lambda *_: pytest.fail("parsed again"))
    assert build(spec, {}).rows_read == 50
