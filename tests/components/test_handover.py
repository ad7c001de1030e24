"""The chain without its driver: a shell script, and the DAG of Airflow that runs it by stages."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.chain import STAGES

FOLDER = Path(__file__).parents[2] / "components" / "handover"
SCRIPT, DAG = FOLDER / "chain.sh", FOLDER / "airflow_dag.py"


def run(directory: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs the script as in an activated environment."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {**os.environ, "PATH": path, "HOME": str(directory), **settings}
    command = [SCRIPT, *arguments]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)


def launched(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The stages that were started, by the handles that ``torchx run`` prints."""
    lines = [line for line in done.stdout.splitlines() if line.startswith("local_cwd://")]
    return [line.rpartition("/")[2].rpartition("-")[0] for line in lines]


def test_the_script_runs_the_stages_in_order_with_the_overrides(small_stages: Path) -> None:
    done = run(small_stages, "a.toml", "run.directory=a b", "train.epochs=2")
    assert done.returncode == 0, done.stderr
    assert launched(done) == list(STAGES)
    assert done.stderr.count("['a.toml', 'run.directory=a b', 'train.epochs=2']") == len(STAGES)


def test_it_stops_at_the_first_stage_that_fails(small_stages: Path) -> None:
    done = run(small_stages, "none.toml")
    assert (done.returncode, launched(done)) == (1, ["prepare"])
    assert "error: none.toml: no such spec file" in done.stderr


def test_it_runs_the_stages_that_it_is_asked_for(small_stages: Path) -> None:
    done = run(small_stages, "a.toml", STAGES="evaluate", SCHEDULER_CFG="log_dir=logs")
    assert (done.returncode, launched(done)) == (0, ["evaluate"])
    assert (small_stages / "logs").is_dir()


def test_without_a_spec_it_says_how_it_is_used(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: usage: {SCRIPT} SPEC [key=value ...]\n"


def test_the_dag_is_python_and_runs_the_script_by_the_same_stages() -> None:
    tree = ast.parse(DAG.read_text())
    values = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert values["STAGES"] == STAGES
    assert f"{SCRIPT.relative_to(FOLDER.parents[1])} {{{{ params.spec" in values["COMMAND"]


def test_airflow_orders_the_stages_and_quotes_what_it_is_given() -> None:
    dagbag = pytest.importorskip("airflow.dag_processing.dagbag", reason="needs Airflow 3")
    bag = dagbag.DagBag(DAG)
    assert bag.import_errors == {}
    dag = bag.dags["multi_embedding"]
    assert [task.task_id for task in dag.topological_sort()] == list(STAGES)
    params = {"environment": "/a b", "spec": "c.toml", "overrides": ["run.directory=d e"]}
    command = dag.get_template_env().from_string(dag.get_task("train").bash_command)
    assert command.render(params=params) == (
        "PATH='/a b'/bin:$PATH components/handover/chain.sh c.toml 'run.directory=d e'"
    )
