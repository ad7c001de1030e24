"""A trace of the steps that were asked for, in a format that Perfetto and TensorBoard open."""

import gzip
import json

from small_trainings import SpecMaker, train_here

from pipeline.training.run_directory import RunDirectory


def test_a_trace_of_the_steps_asked_for_lies_beside_the_events(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"profile_steps": 2, "epochs": 1})
    train_here(spec)
    (trace,) = RunDirectory(spec.run_directory).tensorboard.glob("rank0.*.pt.trace.json.gz")
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    names = [event.get("name", "") for event in events]
    assert sum(name.startswith("ProfilerStep#") for name in names) == 2
    assert any(name.startswith("## forward") for name in names)


def test_no_trace_is_taken_unasked(make_spec: SpecMaker) -> None:
    spec = make_spec(train={"epochs": 1})
    train_here(spec)
    assert not list(RunDirectory(spec.run_directory).tensorboard.glob("*.json.gz"))
