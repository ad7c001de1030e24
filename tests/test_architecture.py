"""The layout of the repository: which layer may import which, and the shape of files."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "components")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

ENTRY_POINT = "entry point"
# From the bottom up. A layer imports itself and those before it.
LAYERS = (
    "cgroups",
    "console",
    "doctor",
    "page",
    "registry",
    "spec_section",
    "spec_generator",
    "spec_data",
    "spec_matrices",
    "spec_model",
    "spec_sharding",
    "spec_study",
    "spec_training",
    "spec",
    "spec_file",
    "data",
    "model",
    "metrics",
    "diagnostics",
    "distributed",
    "training",
    "study",
    ENTRY_POINT,
)
LONGEST_FILE = 300


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(source: str) -> Iterator[str]:
    """The dotted names that a module imports, wherever in it; ``from a import b`` gives a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(module: str) -> str:
    """The layer of a dotted name inside ``pipeline``."""
    layer = module.split(".")[1]
    if layer in LAYERS:
        return layer
    is_entry_point = (ROOT / "pipeline" / f"{layer}.py").is_file()
    assert is_entry_point, f"{module} belongs to no layer"
    return ENTRY_POINT


def upward_imports(module: str, source: str) -> list[str]:
    """What a module of ``pipeline`` imports from layers above its own."""
    own = LAYERS.index(layer_of(module))
    used = [name for name in imports_of(source) if name.startswith("pipeline.")]
    return [name for name in used if LAYERS.index(layer_of(name)) > own]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


LAYERED = [
    path
    for path in MODULES
    if path.is_relative_to(ROOT / "pipeline") and path != ROOT / "pipeline" / "__init__.py"
]


class TestImportDirection:
    @pytest.mark.parametrize("path", LAYERED, ids=name_of)
    def test_points_to_lower_layers(self, path: Path) -> None:
        assert upward_imports(module_of(path), path.read_text()) == []

    def test_violations_are_found(self) -> None:
        source = "import pipeline.train\ndef f():\n    from pipeline import training, spec\n"
        assert upward_imports("pipeline.model.heads", source) == [
            "pipeline.train",
            "pipeline.training",
        ]

    @pytest.mark.parametrize("entry", ["train", "evaluate", "plan", "compare"])
    def test_the_compiler_of_kernels_is_for_preparation_alone(self, entry: str) -> None:
        modules = {module_of(path): path for path in MODULES}
        reached, waiting = set(), [f"pipeline.{entry}"]
        while waiting:
            module = waiting.pop()
            reached.add(module)
            names = set(imports_of(modules[module].read_text()))
            names |= {name.rpartition(".")[0] for name in names}
            waiting += [name for name in names if name in modules and name not in reached]
        assert "pipeline.data.parts" in reached or entry in ("plan", "compare")
        assert "pipeline.data.kernels" not in reached

    def test_the_package_itself_imports_nothing(self) -> None:
        assert list(imports_of((ROOT / "pipeline" / "__init__.py").read_text())) == []

    @pytest.mark.parametrize("path", sorted((ROOT / "components").glob("*.py")), ids=name_of)
    def test_components_start_without_the_pipeline_and_torch(self, path: Path) -> None:
        roots = {name.split(".")[0] for name in imports_of(path.read_text())}
        assert roots & {"pipeline", "torch", "torchrec", "fbgemm_gpu", "numpy", "pyarrow"} == set()

    @pytest.mark.parametrize("path", sorted((ROOT / "pipeline/model").rglob("*.py")), ids=name_of)
    def test_the_model_knows_nothing_of_ranks(self, path: Path) -> None:
        distributed = ("torch.distributed", "torchrec.distributed")
        assert [name for name in imports_of(path.read_text()) if name.startswith(distributed)] == []


class TestModules:
    @pytest.mark.parametrize("path", MODULES, ids=name_of)
    def test_are_named_for_what_they_hold(self, path: Path) -> None:
        assert {path.stem, path.parent.name} & {"utils", "helpers", "common", "misc"} == set()

    @pytest.mark.parametrize("path", MODULES, ids=name_of)
    def test_say_what_they_are_for(self, path: Path) -> None:
        assert ast.get_docstring(ast.parse(path.read_text()))

    @pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=name_of)
    def test_are_short(self, path: Path) -> None:
        assert len(path.read_text().splitlines()) <= LONGEST_FILE
