"""What this package needs besides the triple, and whether TorchX can start it."""

import shlex
import sys
from pathlib import Path

import pytest
from broken_sites import pretend_installed

from pipeline.doctor.finding import Finding
from pipeline.doctor.launching import check_launching
from pipeline.doctor.packages import check_packages

PIP = f"{shlex.quote(sys.executable)} -m pip"
PRODUCT = "multi-embedding-pipeline"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """First on the path of this process and of those that it starts."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def only() -> Finding:
    (finding,) = check_packages()
    return finding


def test_this_environment_has_what_is_needed() -> None:
    assert only().state == "ok"


def test_a_package_of_a_wrong_version_is_named_with_its_cure(site: Path) -> None:
    pretend_installed(site, "urllib3", "2.2.2")
    assert only().state == "fault"
    assert only().found.endswith("lacks urllib3<1.27 (2.2.2 is installed)")
    assert only().cure == f"{PIP} install 'urllib3<1.27'"


def test_packages_that_are_missing_are_named_with_their_cure(site: Path) -> None:
    requires = ("no-such-a>=17", 'no-such-b==1.0; extra == "cpu"', 'no-such-c; extra == "dev"')
    pretend_installed(site, PRODUCT, "0.1.0", requires)
    assert only().found.endswith("lacks no-such-a (not installed), no-such-b (not installed)")
    assert only().cure == f"{PIP} install 'no-such-a>=17' no-such-b==1.0"


def test_components_that_torchx_does_not_find_are_a_fault(site: Path) -> None:
    pretend_installed(site, PRODUCT, "0.1.0")  # without its entry points
    finding = next(check_launching())
    assert (finding.subject, finding.state) == ("TorchX components", "fault")
    assert finding.cure == f"in its folder: {PIP} install --no-deps -e ."


def test_programs_of_another_environment_on_the_path_are_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (program := tmp_path / "python").touch()
    program.chmod(0o755)
    *_, finding = check_launching()
    assert (finding.subject, finding.state) == ("PATH", "warning")
    assert finding.found.startswith(f"python is {program}, ")
    assert finding.cure.startswith("source ")
