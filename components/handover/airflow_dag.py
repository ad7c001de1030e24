"""The stages as a DAG of Airflow 3: prepare, then train, then evaluate.

Link or copy this file into Airflow's folder of DAGs. Airflow needs nothing of the pipeline, and the
pipeline nothing of Airflow: a task is the project's own shell script, run by one stage in the
project's folder with the programs of its environment. Trigger it with the parameters below:

    airflow dags trigger multi_embedding --conf '{"spec": "specs/my.toml"}'
"""

# Airflow has an environment of its own, where types are not checked.
# mypy: disable-error-code=import-not-found

import shlex
from itertools import pairwise

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param

STAGES = ("prepare", "train", "evaluate")
COMMAND = (
    "PATH={{ params.environment | quote }}/bin:$PATH "
    "components/handover/chain.sh {{ params.spec | quote }} "
    "{{ params.overrides | map('quote') | join(' ') }}"
)

with DAG(
    "multi_embedding",
    schedule=None,
    catchup=False,
    # Two runs at a time would write to one run directory.
    max_active_runs=1,
    # A stage that is run again goes on where it was stopped.
    default_args={"retries": 1},
    params={
        "project": Param("/srv/pipeline", type="string", description="the project's folder"),
        "environment": Param("/srv/pipeline/.venv", type="string", description="its Python's"),
        "spec": Param("specs/demo.toml", type="string", description="path from the folder"),
        "overrides": Param([], type="array", description="key=value, for every stage"),
        "scheduler": Param("local_cwd", type="string", description="TorchX's"),
        "scheduler_cfg": Param("", type="string", description="its options: key=value,..."),
    },
    user_defined_filters={"quote": shlex.quote},
) as dag:
    tasks = [
        BashOperator(
            task_id=stage,
            bash_command=COMMAND,
            cwd="{{ params.project }}",
            env={
                "STAGES": stage,
                "SCHEDULER": "{{ params.scheduler }}",
                "SCHEDULER_CFG": "{{ params.scheduler_cfg }}",
            },
            append_env=True,
        )
        for stage in STAGES
    ]
    for earlier, later in pairwise(tasks):
        earlier >> later
