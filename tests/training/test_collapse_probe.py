"""The tables of a checkpoint, measured from its files block by block."""

import numpy as np
import pytest
import torch
from small_trainings import SpecMaker, train_here
from torch import Tensor

from pipeline.data.fields.dataset_vocabulary import read_column
from pipeline.data.manifest import read_manifest
from pipeline.diagnostics.collapse import analyse_field
from pipeline.distributed.runtime import start_runtime
from pipeline.spec import Spec
from pipeline.training import collapse_probe
from pipeline.training.checkpoints.rows import read_table
from pipeline.training.collapse_probe import probe_grams
from pipeline.training.pair_probe import probe_pairs
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import build_predictor

MIXTURE = [
    {"interaction": "dcnv2", "sets": 2, "embedding_dim": 5},
    {"interaction": "dnn", "sets": 1, "embedding_dim": 3},
]


def abundance(matrix: Tensor) -> float:
    values = torch.linalg.svdvals(matrix.double())
    return float(values.sum() / values[0])


@pytest.mark.parametrize("tables", ["packed", "separate"])
def test_agrees_with_singular_values_of_the_whole_tables(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch, tables: str
) -> None:
    spec = make_spec(model={"tables": tables, "groups": MIXTURE}, train={"epochs": 1})
    train_here(spec)
    best, dataset = RunDirectory(spec.run_directory).best, spec.dataset_directory
    # Most fields then take several blocks, the last of them shorter.
    monkeypatch.setattr(collapse_probe, "BLOCK_ROWS", 7)
    with start_runtime("cpu") as runtime:
        predictor = build_predictor(spec, read_manifest(dataset), runtime)
        grams = probe_grams(best, predictor.model.tables, dataset, runtime)
        pairs = probe_pairs(predictor.model.module, spec.model, grams)
    for gram in grams:
        of_field = [table for table in predictor.model.tables if table.field.name == gram.name]
        whole = torch.cat([read_table(best, table) for table in of_field], dim=1)
        counts = torch.tensor(read_column(dataset, gram.name, "count").to_numpy())
        found = analyse_field(gram)
        assert (gram.rows, gram.widths) == (len(whole), (5, 5, 3))
        assert found.together.information_abundance == pytest.approx(abundance(whole), abs=1e-8)
        weighted = whole.double() * counts.double().sqrt()[:, None]
        assert found.weighted.information_abundance == pytest.approx(abundance(weighted), abs=1e-8)
    assert [group.group for group in pairs] == ["2 x 5 dcnv2", "1 x 3 dnn"]
    assert pairs[0].sub_embeddings is not None
    assert pairs[1].sub_embeddings is None


def test_ids_are_counted_over_all_rows(make_spec: SpecMaker) -> None:
    spec: Spec = make_spec()
    manifest = read_manifest(spec.dataset_directory)
    rows = sum(split.rows for split in manifest.splits.values())
    for field in manifest.fields:
        counts = read_column(spec.dataset_directory, field.name, "count").to_numpy()
        assert len(counts) == field.cardinality
        assert np.all(counts >= 0)
        if field.kind == "multi_valued":
            assert counts.sum() > rows
        else:
            assert counts.sum() == rows
