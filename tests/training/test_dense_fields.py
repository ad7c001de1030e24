from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.console import InputError
from pipeline.data.manifest import DenseField, read_manifest
from pipeline.training.setup import refuse_dense_fields


def test_a_dataset_with_dense_fields_is_refused(tiny_dataset: Path) -> None:
    manifest = read_manifest(tiny_dataset)
    refuse_dense_fields(tiny_dataset, manifest)
    with pytest.raises(InputError) as caught:
        refuse_dense_fields(tiny_dataset, replace(manifest, dense=(DenseField("age", 0.0, 1.0),)))
    assert str(caught.value) == (
        f"{tiny_dataset}: the dense fields age are not supported by the model yet; prepare them "
        'with kind = "numeric" and a binning'
    )
