"""Components by name: built-in ones, entry points of other packages, import paths."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoints
from pathlib import Path

import pytest

from pipeline import registry
from pipeline.console import InputError
from pipeline.model.heads.head import Head
from pipeline.model.interactions.interaction import Interaction
from pipeline.model.towers.tower import Tower
from pipeline.registry import BUILT_IN, Kind, check_name, load_component

BASES: dict[Kind, type] = {"interaction": Interaction, "head": Head, "tower": Tower}
ELSEWHERE = '''
"""An interaction of another package."""

from pipeline.model.heads.head import Head
from pipeline.model.interactions.dnn import DNN


class Doubled(DNN):
    """DNN of doubled embeddings."""

    def forward(self, embeddings):
        """(M, B, F, K) -> (M, B, H)."""
        return super().forward(2 * embeddings)
'''


@pytest.fixture(autouse=True)
def metadata_read_anew() -> Iterator[None]:
    """A process reads the packages' metadata once; here packages come and go."""
    registry._entry_points.cache_clear()
    yield
    registry._entry_points.cache_clear()


@pytest.fixture
def groups_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The groups of entry points that are looked for in the packages' metadata."""
    read: list[str] = []

    def entry_points(group: str) -> EntryPoints:
        read.append(group)
        return EntryPoints()

    monkeypatch.setattr(registry, "entry_points", entry_points)
    return read


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package ``elsewhere`` with the entry point ``doubled``."""
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    metadata = tmp_path / "elsewhere-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[multi_embedding.interactions]\ndoubled = elsewhere:Doubled\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("elsewhere", None)


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_built_in_name_is_a_class_of_its_kind(kind: Kind) -> None:
    for name in BUILT_IN[kind]:
        assert check_name(kind, name) == name
        assert issubclass(load_component(kind, name, BASES[kind]), BASES[kind])


def test_built_in_classes_are_found_without_the_metadata_of_packages(
    groups_read: list[str],
) -> None:
    load_component("interaction", "dcnv2", Interaction)
    assert groups_read == []


def test_the_metadata_of_packages_is_read_once_for_a_kind(groups_read: list[str]) -> None:
    for name in ("dcnv2", "dnn", "fm"):
        check_name("interaction", name)
    check_name("head", "mean")
    assert groups_read == ["multi_embedding.interactions", "multi_embedding.heads"]


def test_an_unknown_name_is_refused_with_the_nearest_and_all_there_are() -> None:
    with pytest.raises(ValueError, match="did you mean 'dcnv2'") as caught:
        check_name("interaction", "dcnv3")
    assert all(name in str(caught.value) for name in BUILT_IN["interaction"])


def test_an_import_path_stands_for_its_class(other_package: Path) -> None:
    assert check_name("interaction", "elsewhere:Doubled") == "elsewhere:Doubled"
    assert issubclass(load_component("interaction", "elsewhere:Doubled", Interaction), Interaction)


def test_an_entry_point_stands_for_its_class(other_package: Path) -> None:
    assert check_name("interaction", "doubled") == "doubled"
    assert load_component("interaction", "doubled", Interaction).__name__ == "Doubled"


def test_an_entry_point_is_of_its_own_kind_only(other_package: Path) -> None:
    with pytest.raises(ValueError, match="no head of this name"):
        check_name("head", "doubled")


@pytest.mark.parametrize(
    ("path", "reason"),
    [("nowhere:Thing", "No module named 'nowhere'"), ("elsewhere:Thing", "no attribute 'Thing'")],
)
def test_what_cannot_be_imported_is_named(path: str, reason: str, other_package: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_component("interaction", path, Interaction)
    assert str(caught.value).startswith(f"model: the interaction {path!r} cannot be imported: ")
    assert reason in str(caught.value)
