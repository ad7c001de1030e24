"""The sharding section: rules, and what they cannot say."""

from pathlib import Path

import pytest

from pipeline.console import InputError
from pipeline.spec_file import load_spec, to_toml

SPEC = """
[run]
directory = "run"
[data]
format = "criteo"
source = "log.txt"
[[sharding.rules]]
tables = "user_*"
min_rows = 1_000
type = ["row_wise", "grid"]
kernel = ["fused", "fused_uvm_caching"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def test_the_resolved_spec_reads_back_as_the_same_rules(path: Path, tmp_path: Path) -> None:
    spec = load_spec(path)
    resolved = tmp_path / "resolved.toml"
    resolved.write_text(to_toml(spec))
    assert load_spec(resolved) == spec
    assert spec.sharding.rules[0].type == ("row_wise", "grid")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sharding.type=rows", "sharding.type: Input should be 'auto', 'data_parallel'"),
        ('sharding.rules=[{table="x"}]', "rules.0.table: unknown key; did you mean 'tables'?"),
        ('sharding.rules=[{type=["rows"]}]', "sharding.rules.0.type.0: Input should be"),
        (
            'sharding.rules=[{kernel=["dense"],type=["row_wise"]}]',
            "sharding.rules.0: the kernel 'dense' is that of the type 'data_parallel' alone",
        ),
        (
            'sharding.rules=[{kernel=["fused"],type=["data_parallel"]}]',
            "sharding.rules.0: the type 'data_parallel' has the kernel 'dense' alone",
        ),
        ("sharding.rules=[{min_columns=6}]", "min_columns: Input should be a multiple of 4"),
        (
            "sharding.rules=[{min_rows=10,max_rows=5}]",
            "sharding.rules.0: max_rows = 5 is below min_rows = 10",
        ),
        ("sharding.hardware.hbm=3", "unknown key; did you mean 'hbm_gib'?"),
    ],
)
def test_what_cannot_be_said_is_told_in_one_line(path: Path, override: str, message: str) -> None:
    with pytest.raises(InputError) as told:
        load_spec(path, [override])
    assert message in str(told.value)
    assert len(str(told.value).splitlines()) == 1
