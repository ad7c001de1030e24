"""What the doctor says of a machine with GPUs."""

import pytest
import torch

from pipeline.doctor.imports import check_libraries

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


def test_the_gpus_are_named_and_make_the_small_step() -> None:
    findings = {finding.subject: finding for finding in check_libraries()}
    assert " GPUs: " in findings["devices"].found
    assert findings["small training step"].found.startswith("cuda, ")
