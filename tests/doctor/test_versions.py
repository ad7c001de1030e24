"""The triple of torch, torchrec and fbgemm-gpu, by what is installed."""

import sys

import pytest

from pipeline.doctor.finding import Finding
from pipeline.doctor.versions import check_python, check_triple, installed_versions

GOOD = {"torch": "2.13.0+cpu", "torchrec": "1.8.0", "fbgemm-gpu-cpu": "1.8.0"}


def only(installed: dict[str, str]) -> Finding:
    (finding,) = check_triple(installed)
    return finding


@pytest.mark.parametrize(
    "installed",
    [GOOD, {"torch": "2.11.0+cu130", "torchrec": "1.6.1", "fbgemm-gpu": "1.6.0"}],
)
def test_three_that_belong_together_are_well(installed: dict[str, str]) -> None:
    assert only(installed).state == "ok"


@pytest.mark.parametrize(
    "changed",
    [{"torch": "2.12.1"}, {"torchrec": "1.7.0"}, {"fbgemm-gpu-cpu": "1.7.0"}, {"torch": "3.0.0"}],
)
def test_another_version_of_one_is_a_fault_with_a_cure(changed: dict[str, str]) -> None:
    finding = only({**GOOD, **changed})
    assert (finding.subject, finding.state) == ("triple", "fault")
    name, version = next(iter(changed.items()))
    assert f"{name} {version}" in finding.found
    assert "pip install torch==2.13.0 fbgemm-gpu" in finding.cure


def test_the_fault_names_what_torch_belongs_to() -> None:
    found = only({**GOOD, "torch": "2.12.1"}).found
    assert found.endswith("torch 2.12 belongs to torchrec and fbgemm 1.7")


def test_of_an_unknown_torch_the_rule_is_told() -> None:
    found = only({**GOOD, "torch": "3.0.0"}).found
    assert found.endswith("torchrec and fbgemm 1.X belong to torch 2.(X + 5)")


def test_what_is_missing_is_named() -> None:
    finding = only({"torch": "2.13.0"})
    assert finding.state == "fault"
    assert finding.found == "not installed: torchrec, fbgemm-gpu-cpu (or fbgemm-gpu for CUDA)"


def test_this_environment_belongs_together() -> None:
    assert only(installed_versions()).state == "ok"


def test_a_python_that_is_not_tested_is_a_fault() -> None:
    assert check_python((3, 12)).state == "ok"
    finding = check_python((3, 14))
    assert (finding.state, finding.found) == ("fault", f"3.14, {sys.executable}")
    assert "3.11 or 3.12" in finding.cure
