"""What stands in files of every format, and files that are refused."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from matrix_files import write_header, write_safetensors

from pipeline.console import InputError
from pipeline.diagnostics.matrices.opening import open_tensors
from pipeline.diagnostics.matrices.stored_tensor import StoredTensor

ROWS = slice(3, 7)


@pytest.fixture
def values(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((10, 4))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def only(path: Path) -> StoredTensor:
    (tensor,) = open_tensors(path)
    return tensor


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<f2", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_of_an_npy_file(tmp_path: Path, values: np.ndarray, dtype: str, order: str) -> None:
    array = np.asarray(values.astype(dtype), order=order)
    np.save(tmp_path / "items.npy", array)

    found = only(tmp_path / "items.npy")

    assert (found.name, found.shape, found.is_matrix) == ("items", (10, 4), True)
    np.testing.assert_array_equal(found.read(ROWS).double().numpy(), array[ROWS].astype("f8"))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_rows_of_a_safetensors_file(tmp_path: Path, values: np.ndarray, dtype: str) -> None:
    array = values.astype(dtype)
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"bias": array[0], "items": array})

    bias, items = open_tensors(path)

    assert (bias.name, bias.is_matrix) == ("bias", False)
    np.testing.assert_array_equal(items.read(ROWS).numpy(), array[ROWS])


def test_bfloat16_in_safetensors_are_the_upper_halves_of_float32(
    tmp_path: Path, values: np.ndarray
) -> None:
    halves = (values.astype("f4").view("u4") >> 16).astype("u2")
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"items": halves}, kinds={"items": "BF16"})

    found = only(path).read(ROWS)

    expected = (halves[ROWS].astype("u4") << 16).view("f4")
    np.testing.assert_array_equal(found.float().numpy(), expected)


def test_tensors_of_a_torch_checkpoint_are_named_by_their_keys(tmp_path: Path) -> None:
    weight, moment = torch.randn(6, 3), torch.randn(6, 3).bfloat16()
    held = {"state_dict": {"user.weight": weight}, "moments": [moment], "epoch": 3}
    torch.save(held, tmp_path / "m.pt")

    found = {tensor.name: tensor for tensor in open_tensors(tmp_path / "m.pt")}

    assert list(found) == ["state_dict.user.weight", "moments.0"]
    assert torch.equal(found["state_dict.user.weight"].read(slice(2, 5)), weight[2:5])
    assert torch.equal(found["moments.0"].read(slice(0, 6)), moment)


def test_a_tensor_without_a_name_has_the_files(tmp_path: Path) -> None:
    torch.save(torch.randn(6, 3), tmp_path / "items.pt")

    assert only(tmp_path / "items.pt").name == "items"


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_with_code_is_refused_and_nothing_of_it_is_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    torch.save({"items": torch.randn(3, 3), "else": Malicious(trap)}, tmp_path / "m.pt")

    with pytest.raises(InputError, match=r"m\.pt: holds more than tensors"):
        open_tensors(tmp_path / "m.pt")

    assert not trap.exists()
    torch.load(tmp_path / "m.pt", weights_only=False)
    assert trap.exists(), "the trap works where code is run"


def entry(**changes: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16], **changes}


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ([], "header is not JSON's"),
        ({"a": {"dtype": "F32"}}, "the header's entry of 'a' is not whole"),
        ({"a": entry(data_offsets=[0, 99])}, "'a' ends at byte"),
        ({"a": entry(data_offsets=[-16, 0])}, "'a' ends at byte"),
        ({"a": entry(shape=[3, 2])}, r"'a' of shape \[3, 2\] and type F32 has 16 bytes"),
        ({"a": entry(shape=[-2, -2])}, "'a' ends at byte"),
    ],
)
def test_a_header_that_the_file_does_not_bear_out_is_refused(
    tmp_path: Path, header: object, line: str
) -> None:
    write_header(tmp_path / "m.safetensors", header, bytes(16))

    with pytest.raises(InputError, match=line):
        open_tensors(tmp_path / "m.safetensors")


def test_files_that_are_not_what_their_names_say_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.npy"
    np.save(whole, np.zeros((100, 4)))
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.zeros((3, 3), complex))
    (tmp_path / "short.npy").write_bytes(whole.read_bytes()[:-8])
    for name in ("text.npy", "text.safetensors", "text.pt"):
        (tmp_path / name).write_text("no tensors in here")
    torch.save(torch.zeros(3, 3), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    own = tmp_path / "checkpoint"
    own.mkdir()
    for name in ("checkpoint.json", "model-0.bin"):
        (own / name).write_text("{}")
    lines = {
        "missing.npy": "no such file",
        "objects.npy": "not a .npy file of numbers",
        "complex.npy": "holds complex128",
        "short.npy": "not a .npy file of numbers",
        "text.npy": "not a .npy file of numbers",
        "text.safetensors": "not a safetensors file",
        "text.pt": "not a whole checkpoint",
        "old.pt": "not a whole checkpoint",
        "checkpoint/model-0.bin": "a part of a run's checkpoint",
        "table.csv": "matrices are read from",
    }
    for name, line in lines.items():
        with pytest.raises(InputError, match=rf"{name}: .*{line}") as caught:
            open_tensors(tmp_path / name)
        assert "\n" not in str(caught.value)
