"""Weights go to disk and come back bit for bit; what can't be read is one clear error."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.io import weights


def test_arrays_come_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    state = {
        "f32": np.array([[1.5, np.nan], [np.inf, -0.0]], np.float32),
        "f64": np.linspace(0, 1, 5),
        "f16": np.ones(3, np.float16),
        "i64": np.array(2**62),
        "u8": np.arange(7, dtype=np.uint8),
        "bool": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "strided": np.arange(20)[::3],
        "flipped": np.arange(5.0)[::-1],
        "big endian": np.arange(5, dtype=">f4"),
        "ä.ö": np.ones(1),
    }
    weights.save(state, path)
    loaded = weights.load(path)
    assert loaded.keys() == state.keys()
    for name, array in state.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("=")
        assert loaded[name].shape == array.shape
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].flags.writeable
    assert np.signbit(loaded["f32"][1, 1])


def test_a_module_goes_through_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "w.safetensors")
    source, target = (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)) for _ in range(2))
    weights.save(source.state_dict(), path)
    target.load_state_dict(weights.load(path))
    for name, array in source.state_dict().items():
        np.testing.assert_array_equal(target.state_dict()[name], array)


def test_tensors_and_shared_arrays_are_saved(tmp_path: Path) -> None:
    array = np.ones(3, np.float32)
    weights.save({"a": tg.Tensor([1.0], requires_grad=True), "b": array, "c": array}, tmp_path / "w")
    assert {k: v.tolist() for k, v in weights.load(tmp_path / "w").items()} == {
        "a": [1.0], "b": [1.0] * 3, "c": [1.0] * 3,
    }  # fmt: skip


def test_metadata_is_kept_beside_the_arrays(tmp_path: Path) -> None:
    weights.save({"a": np.ones(1)}, tmp_path / "w", metadata={"epoch": "3"})
    assert weights.load_metadata(tmp_path / "w") == {"epoch": "3"}
    weights.save({}, tmp_path / "w")
    assert weights.load_metadata(tmp_path / "w") == {}
    assert weights.load(tmp_path / "w") == {}


def test_the_checksum_is_of_metadata_names_types_shapes_and_little_endian_values(tmp_path: Path) -> None:
    """Files of earlier versions and other machines have it too."""
    from safetensors import safe_open

    weights.save({"b": np.ones(1, ">i2"), "a": np.array([[1.0, 2.0]])}, tmp_path / "w", metadata={"k": "v"})
    with safe_open(tmp_path / "w", framework="numpy") as file:
        found = file.metadata()["tinygrad_cnn.sha256"]
    said = b'[["k", "v"]]["a", "float64", [1, 2]]' + struct.pack("<2d", 1, 2) + b'["b", "int16", [1]]' + b"\1\0"
    assert found == f"tinygrad_cnn.sha256:{hashlib.sha256(said).hexdigest()}"


def test_metadata_that_another_program_took_from_a_file_can_be_saved_with_new_weights(tmp_path: Path) -> None:
    """It brings that file's checksum along, which ours replaces, and which others should leave out."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    weights.save({"a": np.ones(1)}, tmp_path / "w", metadata={"epoch": "3"})
    with safe_open(tmp_path / "w", framework="numpy") as file:
        about = file.metadata()
    weights.save({"a": np.zeros(1)}, tmp_path / "again", about)
    assert weights.load(tmp_path / "again")["a"] == 0
    assert weights.load_metadata(tmp_path / "again") == {"epoch": "3"}
    save_file({"a": np.zeros(1)}, tmp_path / "theirs", metadata=about)
    with pytest.raises(ValueError, match=r"is damaged: .* leave 'tinygrad_cnn\.sha256' out of its metadata"):
        weights.load(tmp_path / "theirs")


def test_torch_reads_what_we_write_and_we_read_what_torch_writes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    theirs, ours = torch.nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    save_file(theirs.state_dict(), tmp_path / "theirs")
    ours.load_state_dict(weights.load(tmp_path / "theirs"))
    np.testing.assert_array_equal(ours.weight.data, theirs.weight.detach().numpy())
    weights.save(nn.Conv2d(3, 4, 3).state_dict(), tmp_path / "ours")
    theirs.load_state_dict(load_file(tmp_path / "ours"))
    np.testing.assert_array_equal(weights.load(tmp_path / "ours")["bias"], theirs.bias.detach().numpy())


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (nn.Linear(1, 1), "got Linear; pass its state_dict()"),
        ([np.ones(1)], "got list"),
        ({1: np.ones(1)}, "names must be strings, not 1"),
        ({"a": "text"}, "'a' must hold real numbers"),
        ({"a": np.ones(1, complex)}, "not complex128"),
        ({"a": np.array([None])}, "not object"),
        ({"a": [1, [2]]}, "'a' is no array: "),
        ({"a": np.ma.masked_equal([1.0, 2.0], 2)}, "'a' is no array: a masked array hides numbers"),
    ],
)
def test_what_is_not_arrays_by_name_is_refused_and_leaves_no_file(state, message: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError) as error:
        weights.save(state, tmp_path / "w")
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_numpy_has_not_is_named(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}'
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + b"12")
    with pytest.raises(ValueError, match=r"w' holds 'a' in F8_E4M3, which NumPy has no type for"):
        weights.load(tmp_path / "w")


def test_a_name_that_the_format_keeps_for_itself_is_refused(tmp_path: Path) -> None:
    """Such a file could not be read."""
    with pytest.raises(ValueError, match="keeps the name '__metadata__'"):
        weights.save({"__metadata__": np.ones(1)}, tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


def test_metadata_that_is_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="strings to strings, not 'epoch' to 3"):
        weights.save({}, tmp_path / "w", metadata={"epoch": 3})
    with pytest.raises(TypeError, match="save: metadata must be a dict or None, got"):
        weights.save({}, tmp_path / "w", metadata=[("epoch", "3")])


def test_a_file_that_may_not_be_read_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    tg.save({"x": np.zeros(2)}, path)

    def refuse(name: object, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(name))

    monkeypatch.setattr(weights, "open", refuse, raising=False)  # root may read any file
    with pytest.raises(PermissionError, match=r"w\.safetensors"):
        tg.load(path)


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    for read in (weights.load, weights.load_metadata):
        with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
            read(tmp_path / "nowhere.safetensors")
        with pytest.raises(FileNotFoundError, match="no file"):
            read(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent"):
        weights.save({}, tmp_path / "absent" / "w")


def damaged() -> dict[str, bytes]:
    from safetensors.numpy import save

    good = save({"a": np.arange(10.0), "b": np.ones(3)})
    return {
        "empty": b"",
        "short": b"abc",
        "text": b"these are not the weights you are looking for" * 9,
        "cut": good[:-1],
        "cut in the header": good[:20],
        "too long": good + b"x",
        "header overwritten": good[:8] + b"\0" * 40 + good[48:],
        "an unknown dtype": good.replace(b"F64", b"F99"),
        "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94",
    }


@pytest.mark.parametrize("kind", list(damaged()))
def test_a_damaged_file_is_one_clear_error_that_names_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(damaged()[kind])
    with pytest.raises(ValueError, match=r"w\.safetensors' is no safetensors file that can be read"):
        weights.load(path)


def test_bfloat16_which_numpy_has_not_is_read_as_float32(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    values = torch.tensor([[1.0, -3.1415], [float("inf"), 1e-40]]).to(torch.bfloat16)
    mixed = {
        "b": values,
        "a": torch.ones(3),
        "none": torch.zeros(0, 2, dtype=torch.bfloat16),
        "one": values[0, 1].clone(),
    }
    save_file(mixed, tmp_path / "w", metadata={"from": "torch"})
    loaded = weights.load(tmp_path / "w")
    for name, array in loaded.items():
        assert array.dtype == np.float32
        assert array.flags.writeable
        np.testing.assert_array_equal(array, mixed[name].float().numpy())


def test_a_write_that_fails_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w"
    weights.save({"a": np.ones(1)}, path)

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        weights.save({"a": np.zeros(1)}, path)
    assert list(tmp_path.iterdir()) == [path]
    assert weights.load(path)["a"].tolist() == [1.0]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "w"
    weights.save({"a": np.ones(100)}, path)
    weights.save({"b": np.ones(1)}, path)
    assert list(weights.load(path)) == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_metadata_that_looks_like_a_bfloat16_array_is_metadata(tmp_path: Path) -> None:
    header = b'{"__metadata__":{"dtype":"BF16"},"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + b"\x80\x3f")
    assert {name: array.tolist() for name, array in weights.load(tmp_path / "w").items()} == {"a": [1.0]}
    assert weights.load_metadata(tmp_path / "w") == {"dtype": "BF16"}
