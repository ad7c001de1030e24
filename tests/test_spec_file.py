import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.console import InputError
from pipeline.spec import Spec
from pipeline.spec_file import load_section, load_spec, to_toml
from pipeline.spec_section import Section
from pipeline.spec_study import StudySpec, ToySpec

ROOT = Path(__file__).parents[1]
SPECS = sorted((ROOT / "specs").rglob("*.toml"))

MINIMAL = """\
[run]
directory = "runs/a"
[data]
format = "criteo"
source = "train.txt"
"""


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(MINIMAL)
    return path


def complaint(path: Path, *overrides: str, text: str = "") -> str:
    """The message about a spec file, with ``text`` written after the minimal one."""
    path.write_text(MINIMAL + text)
    with pytest.raises(InputError) as caught:
        load_spec(path, overrides)
    return str(caught.value)


class TestUnknownKeys:
    @pytest.mark.parametrize(
        ("text", "key", "near"),
        [
            ("[modle]\nsets = 2\n", "modle", "model"),
            ("[model]\nset = 2\n", "model.set", "sets"),
            ("[model.dcnv2]\nlayer = 2\n", "model.dcnv2.layer", "layers"),
            ("[data.generator]\nrow = 2\n", "data.generator.row", "rows"),
            (
                "[data.splits]\ntrain='a'\nvalid='b'\ntest='c'\ntets='d'\n",
                "data.splits.tets",
                "test",
            ),
            (
                "[[model.groups]]\ninteraction='dnn'\nsets=1\nembedding_dim=8\n"
                "[[model.groups]]\ninteraction='dnn'\nsets=1\nembedding_dim=8\nembeding_dim=9\n",
                "model.groups.1.embeding_dim",
                "embedding_dim",
            ),
        ],
    )
    def test_name_the_file_the_key_and_the_nearest_known_one(
        self, spec_file: Path, text: str, key: str, near: str
    ) -> None:
        expected = f"{spec_file}: {key}: unknown key; did you mean '{near}'?"
        assert complaint(spec_file, text=text) == expected

    def test_are_found_in_a_field(self, spec_file: Path) -> None:
        fields = "data.fields=[{name='a'}, {name='b', poolling='sum'}]"
        message = complaint(spec_file, "data.format=csv", fields)
        assert "data.fields.1.poolling: unknown key; did you mean 'pooling'?" in message

    def test_list_the_known_ones_where_none_is_near(self, spec_file: Path) -> None:
        message = complaint(spec_file, text="[evaluate]\nzzz = 1\n")
        keys = "auc_cells, batch_size, group_field"
        assert message == f"{spec_file}: evaluate.zzz: unknown key; known keys: {keys}"

    def test_each_get_a_line(self, spec_file: Path) -> None:
        lines = complaint(spec_file, text="[model]\nset = 1\n[train]\nepoch = 1\n").splitlines()
        assert [line.split(": ")[1] for line in lines] == ["model.set", "train.epoch"]


class TestWrongValues:
    @pytest.mark.parametrize(
        ("text", "key", "found"),
        [
            ("[model]\nsets = 'four'\n", "model.sets", "'four'"),
            ("[model]\nsets = 0\n", "model.sets", "0"),
            ("[model]\nhead = 'max'\n", "model.head", "'max'"),
            ("[train]\nepochs = true\n", "train.epochs", "True"),
            ("[prepare]\nratios = [1, 1, -1]\n", "prepare.ratios.2", "-1"),
        ],
    )
    def test_name_the_file_the_key_and_what_was_found(
        self, spec_file: Path, text: str, key: str, found: str
    ) -> None:
        message = complaint(spec_file, text=text)
        assert message.startswith(f"{spec_file}: {key}: ")
        assert message.endswith(f", found {found}")

    def test_a_choice_lists_what_is_allowed(self, spec_file: Path) -> None:
        message = complaint(spec_file, "model.tables=merged")
        assert "'packed' or 'separate'" in message

    def test_a_missing_key_is_named(self, spec_file: Path) -> None:
        spec_file.write_text("[run]\ndirectory = 'a'\n[data]\nformat = 'criteo'\n")
        with pytest.raises(InputError, match=r"spec\.toml: data\.source: Field required$"):
            load_spec(spec_file)

    def test_a_whole_section_is_explained_in_its_own_words(self, spec_file: Path) -> None:
        message = complaint(spec_file, "data.format=parquet")
        assert message == (
            f"{spec_file}: data: format 'parquet' needs data.fields, one table a field"
        )


class TestFiles:
    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.toml: no such spec file"):
            load_spec(tmp_path / "none.toml")

    def test_a_directory_is_no_spec(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read: Is a directory"):
            load_spec(tmp_path)

    @pytest.mark.parametrize("content", [b"[run\n", b"\xff\xfe", b"a = 1\na = 2\n"])
    def test_what_is_not_toml_is_said_to_be_so(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "spec.toml"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"spec\.toml: not valid TOML: ") as caught:
            load_spec(path)
        assert "\n" not in str(caught.value)

    def test_a_byte_order_mark_is_no_part_of_a_spec(self, spec_file: Path) -> None:
        plain = load_spec(spec_file)
        spec_file.write_text(MINIMAL, encoding="utf-8-sig")
        assert load_spec(spec_file) == plain


class TestOverrides:
    def test_replace_a_value_by_its_dotted_path(self, spec_file: Path) -> None:
        spec = load_spec(spec_file, ["run.directory=b", "model.sets=7", "model.dcnv2.layers=2"])
        assert (spec.run.directory, spec.model.sets, spec.model.dcnv2.layers) == ("b", 7, 2)

    def test_change_nothing_else(self, spec_file: Path) -> None:
        changed = load_spec(spec_file, ["train.epochs=2"])
        plain = load_spec(spec_file)
        assert changed.train.epochs == 2
        assert changed.model_copy(update={"train": plain.train}) == plain

    @pytest.mark.parametrize(
        ("text", "value"),
        [("0.5", 0.5), ("1e-4", 1e-4), ("1_000", 1000.0)],
    )
    def test_read_numbers_as_toml(self, spec_file: Path, text: str, value: float) -> None:
        spec = load_spec(spec_file, [f"dense_optimizer.learning_rate={text}"])
        assert spec.dense_optimizer.learning_rate == value

    def test_read_arrays_as_toml(self, spec_file: Path) -> None:
        spec = load_spec(spec_file, ["prepare.ratios=[0.5, 0.3, 0.2]"])
        assert spec.prepare.ratios == (0.5, 0.3, 0.2)

    @pytest.mark.parametrize("text", ["/data/a b.txt", "'/data/a b.txt'", '"/data/a b.txt"'])
    def test_read_plain_and_quoted_strings(self, spec_file: Path, text: str) -> None:
        assert load_spec(spec_file, [f"data.source={text}"]).data.source == "/data/a b.txt"

    def test_keep_equals_signs_of_the_value(self, spec_file: Path) -> None:
        assert load_spec(spec_file, ["data.source=day=1/x"]).data.source == "day=1/x"

    def test_the_last_one_of_a_key_counts(self, spec_file: Path) -> None:
        assert load_spec(spec_file, ["model.sets=2", "model.sets=3"]).model.sets == 3

    def test_go_through_the_same_checks(self, spec_file: Path) -> None:
        message = complaint(spec_file, "model.set=2")
        assert message == f"{spec_file}: model.set: unknown key; did you mean 'sets'?"

    def test_fill_environment_variables(
        self, spec_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MEP_TEST", "/mnt")
        assert load_spec(spec_file, ["data.source=${MEP_TEST}/x"]).data.source == "/mnt/x"

    @pytest.mark.parametrize("override", ["model.sets", "=4", ".sets=4", "model.=4", "a..b=4", ""])
    def test_malformed_ones_are_quoted_with_the_form(self, spec_file: Path, override: str) -> None:
        message = complaint(spec_file, override)
        assert message.startswith(f"{override!r}: an override is written key=value")

    @pytest.mark.parametrize(
        ("override", "parent"),
        [("run.directory.x=1", "directory"), ("data.fields.0.name=a", "fields")],
    )
    def test_a_path_through_something_else_than_a_table_is_refused(
        self, spec_file: Path, override: str, parent: str
    ) -> None:
        spec_file.write_text(MINIMAL + "fields = [{ name = 'a' }]\n")
        with pytest.raises(InputError, match=f"'{parent}' is not a table of the spec"):
            load_spec(spec_file, [override])


def sections(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


COUNTS = st.integers(1, 2**40)
POSITIVE = st.floats(1e-30, 1e30)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="$"), min_size=1)
GROUPS = st.fixed_dictionaries(
    {"interaction": st.sampled_from(["dnn", "dcnv2"]), "sets": COUNTS, "embedding_dim": COUNTS}
)
SPEC_VALUES = st.fixed_dictionaries(
    {
        "run": st.fixed_dictionaries({"directory": TEXTS}),
        "data": st.fixed_dictionaries(
            {"format": st.just("csv"), "source": TEXTS},
            optional={"label": TEXTS, "generator": sections(rows=COUNTS)},
        ),
    },
    optional={
        "model": sections(sets=COUNTS, dropout=st.floats(0, 0.99))
        | sections(groups=st.lists(GROUPS, min_size=1), dropout=st.floats(0, 0.99)),
        "dense_optimizer": sections(learning_rate=POSITIVE, weight_decay=st.floats(0, 1)),
        "prepare": sections(ratios=st.lists(POSITIVE, min_size=3, max_size=3)),
    },
)


LISTS = {"name": "b", "kind": "multi_valued"}


@given(values=SPEC_VALUES, separator=TEXTS)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_resolved_toml_loads_as_an_equal_spec(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any], separator: str
) -> None:
    values["data"]["fields"] = [{"name": "a"}, LISTS | {"separator": separator}]
    spec = Spec.model_validate(values)
    path = tmp_path_factory.getbasetemp() / "resolved.toml"
    path.write_text(to_toml(spec), encoding="utf-8")
    assert load_spec(path) == spec


def test_resolved_toml_writes_every_default_out(spec_file: Path) -> None:
    text = to_toml(load_spec(spec_file))
    assert "patience = 3" in text
    assert "hidden_dim = 400" in text


def header(path: Path) -> str:
    """The comment lines that a spec file begins with."""
    lines = path.read_text().splitlines()
    count = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(lines[:count])


def kind_of(path: Path) -> type[Section]:
    """An experiment's spec, a study's or the toy experiment's."""
    keys = tomllib.loads(path.read_text()).keys()
    return StudySpec if "grid" in keys else ToySpec if "picture" in keys else Spec


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(ROOT)))
class TestSpecsOfTheRepository:
    def test_load_without_any_environment(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MEP_DATA", raising=False)
        load_section(kind_of(path), path)

    def test_begin_with_how_to_launch_them(self, path: Path) -> None:
        assert re.search(rf"python -m .*{re.escape(str(path.relative_to(ROOT)))}", header(path))

    def test_accept_the_overrides_that_their_header_shows(self, path: Path) -> None:
        # Those in quotes are on the base spec of a study.
        shown = re.findall(r"(?<![\".\w])[a-z_]+(?:\.[a-z_0-9]+)+=\S+", header(path))
        load_section(kind_of(path), path, shown)


def test_a_resolved_spec_with_groups_loads_again(tmp_path: Path) -> None:
    text = MINIMAL + '\n[[model.groups]]\ninteraction = "dnn"\nsets = 2\nembedding_dim = 8\n'
    first, again = tmp_path / "first.toml", tmp_path / "again.toml"
    first.write_text(text)
    again.write_text(to_toml(load_spec(first)))
    assert load_spec(again) == load_spec(first)


def test_an_override_without_a_value_removes_the_key(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(MINIMAL + "\n[train]\nepochs = 3\n")
    assert (
        load_spec(path, ["train.epochs="]).train.epochs == Spec.model_fields["train"].default.epochs
    )


def test_removing_a_key_that_is_not_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(MINIMAL)
    with pytest.raises(InputError, match=r"'train\.epochs=': the spec does not set train\.epochs"):
        load_spec(path, ["train.epochs="])
