import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.compare import main, print_comparison, read_metrics
from pipeline.console import InputError


def a_run(directory: Path, auc: float, oracle: bool = True, **sets: int) -> Path:
    metrics: dict[str, Any] = {
        "run": {"name": directory.name, "seed": 0},
        "model": {
            "interaction": "dcnv2",
            "sets": sets.get("sets", 4),
            "embedding_dim": 8,
            "parameters": {"embedding": 43_472_400, "dense": 2_731_201},
        },
        "data": {"rows": {"train": 160_000, "valid": 20_000, "test": 20_001}, "fields": 39},
        "train": {"samples_per_second": 8123.4},
        "test": {"auc": auc, "logloss": 0.44931, "normalized_entropy": 0.79512},
        "collapse": {"information_abundance": {"fields": {}, "mean": 6.634}},
        "embedding_optimizer": {"name": "adam"},
    }
    if oracle:
        metrics |= {"oracle": {"auc": 0.83121}, "share_of_oracle": 0.9386}
    directory.mkdir(parents=True)
    (directory / "metrics.json").write_text(json.dumps(metrics))
    return directory


def rows_of(output: str) -> dict[str, list[str]]:
    lines = [re.split(r"\s{2,}|\s*\|\s*", line.strip()) for line in output.splitlines()]
    return {cells[0]: cells[1:] for cells in lines}


def test_runs_stand_side_by_side_the_first_one_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [a_run(tmp_path / "b", 0.81094), a_run(tmp_path / "a", 0.79842)]

    main([str(run) for run in runs])

    rows = rows_of(capsys.readouterr().out)
    assert rows["Test AUC"] == ["0.8109", "0.7984"]
    assert rows["Training rows"] == ["160,000", "160,000"]
    assert rows["Test rows"] == ["20,001", "20,001"]
    assert rows["Fields"] == ["39", "39"]
    assert rows["Embedding parameters"] == ["43,472,400"] * 2
    assert rows["Test logloss"] == ["0.4493"] * 2
    assert rows["Test normalised entropy"] == ["0.7951"] * 2
    assert rows["Information abundance"] == ["6.63"] * 2
    assert rows["Oracle AUC"] == ["0.8312"] * 2
    assert rows["Share of the way to it"] == ["93.9%"] * 2
    assert rows["Training samples/s"] == ["8,123"] * 2


def test_runs_of_the_same_name_are_told_apart_by_their_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [a_run(tmp_path / "x" / "demo", 0.81), a_run(tmp_path / "y" / "demo", 0.79)]

    main([str(run) for run in runs])

    assert capsys.readouterr().out.splitlines()[0].split() == [str(run) for run in runs]


def test_brackets_in_a_name_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(a_run(tmp_path / "[old]", 0.81)), str(a_run(tmp_path / "new", 0.79))])

    assert capsys.readouterr().out.splitlines()[0].split() == ["[old]", "new"]


def test_the_working_directory_has_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(a_run(tmp_path / "demo", 0.81))

    main([".", str(a_run(tmp_path / "other", 0.79))])

    assert capsys.readouterr().out.splitlines()[0].split() == ["demo", "other"]


def test_a_mixture_of_sizes_has_no_dimensions_of_a_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixture = a_run(tmp_path / "mixture", 0.81)
    metrics = json.loads((mixture / "metrics.json").read_text())
    metrics["model"]["embedding_dim"] = None
    (mixture / "metrics.json").write_text(json.dumps(metrics))

    main([str(mixture), str(a_run(tmp_path / "single", 0.79))])

    assert rows_of(capsys.readouterr().out)["Dimensions of a set"] == ["-", "8"]


def test_the_reports_and_logs_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [a_run(tmp_path / "a", 0.81), a_run(tmp_path / "b", 0.79)]

    main([str(run) for run in runs])

    output = capsys.readouterr().out
    for run in runs:
        assert str(run / "report" / "index.html") in output
        assert str(run / "tensorboard") in output
    assert output.splitlines()[-1].startswith("tensorboard --logdir ")
    assert Path(output.split()[-1]).resolve() == tmp_path.resolve()


def test_what_a_run_does_not_have_is_a_dash_and_what_none_has_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(a_run(tmp_path / "a", 0.81)), str(a_run(tmp_path / "b", 0.79, oracle=False))])

    rows = rows_of(capsys.readouterr().out)
    assert rows["Oracle AUC"] == ["0.8312", "-"]
    assert "Diversity between sets" not in rows


def test_a_narrow_output_cuts_no_figure(tmp_path: Path) -> None:
    runs = [a_run(tmp_path / f"a_run_with_a_long_name_{i}", 0.81) for i in range(6)]
    with (tmp_path / "out").open("w") as file:
        console = Console(file=file, width=80)
        print_comparison(console, runs, [read_metrics(run) for run in runs])

    rows = rows_of((tmp_path / "out").read_text())
    assert rows["Embedding parameters"] == ["43,472,400"] * 6


def test_a_directory_that_is_no_evaluated_run_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.compare", str(tmp_path / "missing")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "missing: not an evaluated run, metrics.json is missing" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ("{}", "test.auc is missing"), ("[]", "test.auc is missing")],
)
def test_metrics_that_cannot_be_read_name_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "metrics.json").write_text(text)

    with pytest.raises(InputError, match=f"metrics.json: {message}"):
        main([str(tmp_path)])


def test_no_run_is_an_error() -> None:
    with pytest.raises(InputError, match="at least one run directory"):
        main([])


def test_help_says_how_to_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])

    assert stopped.value.code == 0
    assert "python -m pipeline.compare RUN RUN" in capsys.readouterr().out
