import copy
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.spec import Spec
from pipeline.spec_data import DataSpec, FieldSpec
from pipeline.spec_model import GroupSpec, ModelSpec

MINIMAL: dict[str, Any] = {
    "run": {"directory": "runs/a"},
    "data": {"format": "criteo", "source": "train.txt"},
}


def spec_with(**sections: dict[str, Any]) -> Spec:
    """The minimal spec with some keys of some sections set."""
    values = copy.deepcopy(MINIMAL)
    for section, keys in sections.items():
        values.setdefault(section, {}).update(keys)
    return Spec.model_validate(values)


def refused(**sections: dict[str, Any]) -> tuple[tuple[str | int, ...], str]:
    """Where the one error of a spec is, and its message."""
    with pytest.raises(ValidationError) as caught:
        spec_with(**sections)
    (error,) = caught.value.errors()
    return error["loc"], error["msg"]


class TestDefaults:
    def test_a_directory_and_a_source_are_enough(self) -> None:
        spec = spec_with()
        assert (spec.run.seed, spec.data.label, spec.data.bad_rows) == (0, "label", "fail")

    def test_model_is_the_papers_dcnv2(self) -> None:
        model = spec_with().model
        assert (model.interaction, model.embedding_dim, model.dcnv2.layers) == ("dcnv2", 10, 4)
        assert (model.hidden_dim, model.dropout, model.head) == (400, 0.2, "mean")
        assert (model.initialization, model.normalization) == ("xavier_total", "batch")

    def test_training_is_the_papers_protocol(self) -> None:
        spec = spec_with()
        assert (spec.train.batch_size, spec.train.patience) == (2048, 3)
        assert (spec.prepare.ratios, spec.prepare.vocabulary) == ((0.8, 0.1, 0.1), "all")
        assert (spec.dense_optimizer.name, spec.dense_optimizer.learning_rate) == ("adam", 1e-3)
        assert (spec.embedding_optimizer.name, spec.embedding_optimizer.learning_rate) == (
            "adam",
            1e-3,
        )

    @pytest.mark.parametrize("key", ["run", "data"])
    def test_sections_without_defaults_are_needed(self, key: str) -> None:
        values = {name: section for name, section in MINIMAL.items() if name != key}
        with pytest.raises(ValidationError, match=rf"{key}\n\s+Field required"):
            Spec.model_validate(values)

    def test_dataset_stands_in_the_run_directory_unless_given(self) -> None:
        assert str(spec_with().dataset_directory) == "runs/a/dataset"
        assert str(spec_with(data={"directory": "d"}).dataset_directory) == "d"

    def test_a_field_is_read_from_the_column_of_its_name_unless_given(self) -> None:
        assert FieldSpec(name="user").source_column == "user"
        assert FieldSpec(name="user", column="User ID").source_column == "User ID"


class TestEnvironment:
    def test_variable_replaces_its_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEP_TEST", "/mnt/logs")
        assert spec_with(data={"source": "${MEP_TEST:-data}/x"}).data.source == "/mnt/logs/x"

    def test_default_serves_when_the_variable_is_absent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MEP_TEST", raising=False)
        assert spec_with(data={"source": "${MEP_TEST:-../a-b}/x"}).data.source == "../a-b/x"

    def test_default_serves_when_the_variable_is_empty(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MEP_TEST", "")
        assert spec_with(run={"directory": "${MEP_TEST:-runs}/x"}).run.directory == "runs/x"

    def test_several_variables_fill_one_path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEP_TEST", "a")
        source = spec_with(data={"source": "${MEP_TEST}/${MEP_OTHER:-b}/$c"}).data.source
        assert source == "a/b/$c"

    def test_absent_variable_without_default_is_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MEP_TEST", raising=False)
        where, message = refused(data={"source": "${MEP_TEST}/x"})
        assert where == ("data", "source")
        assert "MEP_TEST is not set and has no default" in message

    def test_empty_variable_without_default_is_said_to_be_empty(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MEP_TEST", "")
        _, message = refused(data={"source": "${MEP_TEST}/x"})
        assert "MEP_TEST is empty and has no default" in message

    @pytest.mark.parametrize("directory", ["", "${MEP_TEST:-}"])
    def test_a_run_directory_that_is_empty_in_the_end_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, directory: str
    ) -> None:
        monkeypatch.delenv("MEP_TEST", raising=False)
        where, message = refused(run={"directory": directory})
        assert where == ("run", "directory")
        assert "it is empty" in message


class TestRefusals:
    def test_criteo_takes_no_fields(self) -> None:
        where, message = refused(data={"fields": [{"name": "a"}]})
        assert where == ("data",)
        assert "has fields of its own" in message

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_other_formats_need_fields(self, kind: str) -> None:
        _, message = refused(data={"format": kind})
        assert f"format '{kind}' needs data.fields" in message

    def test_dense_fields_need_one_of_another_kind_beside_them(self) -> None:
        dense = {"name": "price", "kind": "dense"}
        where, message = refused(data={"format": "csv", "fields": [dense]})
        assert where == ("data",)
        assert "data.fields: all are dense" in message
        spec_with(data={"format": "csv", "fields": [dense, {"name": "user"}]})

    def test_repeated_field_names_are_listed(self) -> None:
        fields = [{"name": name} for name in ("a", "b", "c", "b", "a")]
        _, message = refused(data={"format": "csv", "fields": fields})
        assert message.endswith("data.fields names a, b more than once")

    @pytest.mark.parametrize("name", ["", "user id", "a/b", "a@b", "a.b"])
    def test_field_names_are_letters_digits_and_underscores(self, name: str) -> None:
        where, _ = refused(data={"format": "csv", "fields": [{"name": name}]})
        assert where == ("data", "fields", 0, "name")

    @pytest.mark.parametrize(
        ("section", "key", "value"),
        [
            ("run", "seed", -1),
            ("run", "directory", ""),
            ("data", "source", ""),
            ("model", "sets", 0),
            ("model", "embedding_dim", 0),
            ("model", "dropout", 1.0),
            ("model", "dropout", -0.1),
            ("model", "interaction", "gru"),
            ("train", "patience", 0),
            ("dense_optimizer", "learning_rate", 0.0),
            ("dense_optimizer", "learning_rate", float("inf")),
            ("dense_optimizer", "learning_rate", float("nan")),
            ("embedding_optimizer", "weight_decay", -1e-6),
        ],
    )
    def test_values_out_of_range(self, section: str, key: str, value: Any) -> None:
        where, _ = refused(**{section: {key: value}})
        assert where == (section, key)

    @pytest.mark.parametrize("value", [True, "4", 4.0, 4.5, [4], None])
    def test_a_whole_number_is_nothing_else(self, value: Any) -> None:
        where, _ = refused(model={"sets": value})
        assert where == ("model", "sets")

    def test_an_integer_is_a_number(self) -> None:
        assert spec_with(dense_optimizer={"learning_rate": 1}).dense_optimizer.learning_rate == 1.0

    @pytest.mark.parametrize("ratios", [[0.9, 0.1], [0.9, 0.1, 0.0], [8, 1, 1, 1], [True, 1, 1]])
    def test_ratios_are_three_positive_shares(self, ratios: list[Any]) -> None:
        where, _ = refused(prepare={"ratios": ratios})
        assert where[:2] == ("prepare", "ratios")


class TestGroups:
    def test_short_form_is_one_group(self) -> None:
        short = ModelSpec(interaction="dnn", sets=3, embedding_dim=5)
        assert short.resolved_groups == (GroupSpec(interaction="dnn", sets=3, embedding_dim=5),)

    def test_long_form_of_the_same_group_resolves_alike(self) -> None:
        short = spec_with(model={"interaction": "dnn", "sets": 3, "embedding_dim": 5})
        group = {"interaction": "dnn", "sets": 3, "embedding_dim": 5}
        long = spec_with(model={"groups": [group]})
        assert long.model.resolved_groups == short.model.resolved_groups

    def test_long_form_keeps_its_order(self) -> None:
        kinds = [("dnn", 2, 8), ("dcnv2", 1, 4), ("dnn", 1, 6)]
        groups = [{"interaction": i, "sets": s, "embedding_dim": k} for i, s, k in kinds]
        resolved = spec_with(model={"groups": groups}).model.resolved_groups
        assert [(g.interaction, g.sets, g.embedding_dim) for g in resolved] == kinds


class TestFrozen:
    def test_a_section_cannot_be_changed(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            spec_with().model.sets = 2  # type: ignore[misc]

    def test_lists_become_tuples(self) -> None:
        data = DataSpec.model_validate(
            {"format": "csv", "source": "x", "fields": [{"name": "a"}, {"name": "b"}]}
        )
        assert isinstance(data.fields, tuple)


def test_groups_and_the_short_form_exclude_each_other() -> None:
    group = {"interaction": "dnn", "sets": 2, "embedding_dim": 8}
    with pytest.raises(ValidationError, match="groups and sets exclude each other"):
        spec_with(model={"groups": [group], "sets": 4})


class TestSource:
    @pytest.mark.parametrize("source", ["a", ["a"], ["a", "s3://b/*.gz"]])
    def test_is_one_location_or_several(self, source: Any) -> None:
        expected = (source,) if isinstance(source, str) else tuple(source)
        assert spec_with(data={"source": source}).data.locations == expected

    @pytest.mark.parametrize("source", ["", [], [""], 3, [3], {"a": "b"}])
    def test_is_nothing_else(self, source: Any) -> None:
        where, message = refused(data={"source": source})
        assert where == ("data", "source")
        assert "a path, a URL or a glob is expected, or a list of them" in message

    def test_variables_are_filled_in_every_location(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEP_TEST", "/mnt")
        assert spec_with(data={"source": ["${MEP_TEST}/a", "b"]}).data.locations == ("/mnt/a", "b")

    @pytest.mark.parametrize(
        "other",
        [{"generator": {}}, {"splits": {"train": "a", "valid": "b", "test": "c"}}],
    )
    def test_is_one_location_where_it_is_written_to_or_a_folder(self, other: Any) -> None:
        where, message = refused(data={"source": ["a", "b"], **other})
        assert where == ("data",)
        assert "data.source is one path" in message


class TestSparseGate:
    def test_keeps_no_more_experts_than_there_are(self) -> None:
        groups = [
            {"interaction": "dnn", "sets": 2, "embedding_dim": 8},
            {"interaction": "dcnv2", "shares": 0},
        ]
        four = {"groups": groups, "head": "sparse_gate"}
        assert spec_with(model={**four, "gate": {"top_k": 4}}).model.gate.top_k == 4
        where, message = refused(model={**four, "gate": {"top_k": 5}})
        assert where == ("model",)
        assert "gate.top_k is 5: there are 4 experts" in message


class TestSettingsThatNothingReads:
    @pytest.mark.parametrize("key", ["embedding_dim", "top_k", "balance_weight"])
    def test_of_gates_are_refused_by_the_mean_head(self, key: str) -> None:
        _, message = refused(model={"gate": {key: 3}})
        assert f"gate.{key}: the mean head has no gates" in message

    def test_fields_of_gates_are_refused_by_the_mean_head(self) -> None:
        _, message = refused(model={"gate": {"fields": ["user"]}})
        assert "gate.fields: the mean head has no gates" in message

    @pytest.mark.parametrize(
        ("key", "value"), [("top_k", 3), ("balance_weight", 0.5), ("noise", False)]
    )
    def test_of_the_sparse_gate_are_refused_by_the_dense_one(self, key: str, value: Any) -> None:
        where, message = refused(model={"head": "gate", "gate": {key: value}})
        assert where == ("model",)
        assert f"gate.{key}: the head 'gate' does not read it" in message
        spec_with(model={"head": "sparse_gate", "gate": {key: value}})

    @pytest.mark.parametrize("kind", ["xavier_total", "xavier_field"])
    def test_a_scale_is_refused_by_xavier(self, kind: str) -> None:
        _, message = refused(model={"initialization": kind, "initialization_scale": 0.5})
        assert f"initialization_scale: {kind} has a scale of its own" in message

    @pytest.mark.parametrize("head", ["mean", "gate", "sparse_gate"])
    def test_may_stand_at_their_defaults(self, head: str) -> None:
        spec = spec_with(model={"head": head})
        assert Spec.model_validate(spec.model_dump()) == spec
