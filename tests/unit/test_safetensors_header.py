import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ama.checkpoint.safetensors_file import ShardWriter, read_header
from ama.errors import UserError

TENSORS = {
    "a": torch.arange(12, dtype=torch.float32).view(3, 4),
    "b": torch.ones(5, dtype=torch.bfloat16),
    "c": torch.tensor(7, dtype=torch.int64),
    "d": torch.tensor([True, False, True]),
}


def save(folder: Path) -> Path:
    save_file(TENSORS, folder / "model.safetensors", {"format": "pt"})
    return folder / "model.safetensors"


def write(folder: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    """Write a file with a header of one's own: a JSON value or raw bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "model.safetensors"
    rewrite(path, (len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def rewrite(path: Path, data: bytes) -> None:
    # Unlinked first: ext4 waits for the disk where an existing file is truncated and written again.
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def entry(begin: int, end: int, dtype: str = "F32", shape: Any = None) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": [(end - begin) // 4] if shape is None else shape,
        "data_offsets": [begin, end],
    }


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_header(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_reads_what_the_library_writes(tmp_path: Path) -> None:
    found = read_header(save(tmp_path))
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype is tensor.dtype
        assert torch.equal(found[name].load(), tensor)


@pytest.mark.parametrize(
    "code", ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"]
)
def test_reads_every_dtype_that_pytorch_has(tmp_path: Path, code: str) -> None:
    size = read_header(write(tmp_path, {"a": entry(0, 0, code, [0])}))["a"].dtype.itemsize
    path = write(tmp_path, {"a": entry(0, 6 * size, code, [2, 3])}, bytes(6 * size))
    with safe_open(path, "pt") as library:
        assert library.get_tensor("a").dtype is read_header(path)["a"].dtype


@pytest.mark.parametrize(
    ("header", "length", "message"),
    [
        (b"", None, "its header is no JSON object (Expecting value"),
        (b"{}", 1 << 40, f"its header claims {1 << 40} bytes, the file has 10"),
        (b"{}", 2**64 - 1, f"its header claims {2**64 - 1} bytes"),
        (b"{}", 2**63, f"its header claims {2**63} bytes"),
        (b"{}", 3, "its header claims 3 bytes"),
        (b"not JSON", None, "its header is no JSON object (Expecting value"),
        (b"\xff\xfe{}", None, "its header is no JSON object ('utf-8' codec"),
        ('{"a": 1}'.encode("utf-16"), None, "its header is no JSON object ('utf-8' codec"),
        (b"[]", None, "its header is no JSON object (it is no object)"),
        (b"[" * 100_000, None, "its header is no JSON object (it is nested too deeply)"),
        (b'{"a": ' * 50_000, None, "its header is no JSON object (it is nested too deeply)"),
        (b'{"a": 1' + b"0" * 5000 + b"}", None, "its header is no JSON object (Exceeds the limit"),
        (
            b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "shape": []}}',
            None,
            "its header is no JSON object ('shape' occurs twice)",
        ),
    ],
)
def test_a_header_that_is_none(tmp_path: Path, header: bytes, length: int | None, message: str) -> None:
    path = write(tmp_path, header, length=length)
    assert f"{path} is truncated or no safetensors file: {message}" in refusal(path)


@pytest.mark.parametrize("size", range(9))
def test_a_file_without_room_for_a_header(tmp_path: Path, size: int) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(size))
    assert "is truncated or no safetensors file" in refusal(path)


@pytest.mark.parametrize(
    "description",
    [
        None,
        5,
        "F32",
        [],
        {},
        {"dtype": "F32", "shape": [1]},
        {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]},
        {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [float("inf")], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]},
        {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
        {"dtype": "F32", "shape": [1 << 70], "data_offsets": [0, 1 << 72]},
        {"dtype": "F32", "shape": [1], "data_offsets": None},
    ],
    ids=str,
)
def test_a_description_that_makes_no_sense(tmp_path: Path, description: Any) -> None:
    assert "tensor 'a' is described as" in refusal(write(tmp_path, {"a": description}, bytes(4)))


@pytest.mark.parametrize("code", ["F4", "C64", "U16", "", 5, None, ["F32"]])
def test_a_dtype_that_is_not_read(tmp_path: Path, code: Any) -> None:
    message = refusal(write(tmp_path, {"a": {**entry(0, 4), "dtype": code}}, bytes(4)))
    assert f"tensor 'a' in {tmp_path / 'model.safetensors'} has dtype {code}, which ama can't read" in message


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": entry(0, 8, shape=[3])}, "tensor 'a' [3] F32 claims 8 bytes"),
        ({"a": entry(8, 0, shape=[])}, "tensor 'a' [] F32 claims -8 bytes"),
        ({"a": entry(0, 8, shape=[1 << 40, 1 << 40])}, "claims 8 bytes"),
        ({"a": entry(0, 4), "b": entry(0, 8)}, "tensor 'b' begins at byte"),
        ({"a": entry(0, 8), "b": entry(4, 8)}, "tensor 'b' begins at byte"),
        ({"a": entry(0, 4), "b": entry(8, 12)}, "tensor 'b' begins at byte"),
        ({"a": entry(4, 8)}, "tensor 'a' begins at byte"),
        ({"a": entry(0, 4)}, "its tensors end at byte"),
        ({"a": entry(0, 12)}, "its tensors end at byte"),
        ({}, "its tensors end at byte"),
        ({"a": entry(0, 1 << 50)}, "its tensors end at byte"),
    ],
    ids=str,
)
def test_offsets_must_cover_the_data_exactly(tmp_path: Path, header: Mapping[str, Any], message: str) -> None:
    assert message in refusal(write(tmp_path, header, bytes(8)))


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path)
    whole = path.read_bytes()
    for size in range(len(whole)):
        rewrite(path, whole[:size])
        refusal(path)


def test_damage_gives_a_user_error_or_what_the_library_reads_too(tmp_path: Path) -> None:
    path = save(tmp_path)
    whole = path.read_bytes()
    rng = random.Random(1)
    refused = accepted = 0
    for _ in range(3000):
        rewrite(path, damaged(whole, rng))
        try:
            found = {name: tensor.load() for name, tensor in read_header(path).items()}
        except UserError:
            refused += 1
            continue
        accepted += 1
        library = load_file(path)
        assert found.keys() == library.keys()
        for name, tensor in library.items():
            assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
    assert refused > 2000
    assert accepted > 100


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to four of them, or of their runs, changed, removed, added or repeated."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        place = rng.randrange(len(result)) if result else 0
        run = slice(place, place + rng.randrange(1, 24))
        match rng.randrange(5):
            case 0 | 1:
                result[place : place + 1] = rng.randbytes(1)
            case 2:
                del result[run]
            case 3:
                result[place:place] = rng.randbytes(rng.randrange(1, 24))
            case _:
                result[place:place] = result[run]
    return bytes(result)


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    rng = random.Random(3)
    for _ in range(1000):
        body = rng.randbytes(rng.randrange(64))
        refusal(write(tmp_path, body, length=rng.choice([None, 0, rng.randrange(80)])))


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    writer = ShardWriter(path, {name: (t.dtype, tuple(t.shape)) for name, t in TENSORS.items()})
    for name, tensor in reversed(TENSORS.items()):
        data = memoryview(bytearray(tensor.flatten().view(torch.uint8).numpy().tobytes()))
        half = len(data) // 2
        writer.write(name, data[half:], half)
        writer.write(name, data[:half], 0)
        writer.finish_tensor()
    writer.close()
    loaded = load_file(path)
    assert loaded.keys() == TENSORS.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in TENSORS.items())
    assert read_header(path).keys() == TENSORS.keys()
    with safe_open(path, "pt") as library:
        assert library.metadata() == {"format": "pt"}
    assert all(tensor.offset % tensor.dtype.itemsize == 0 for tensor in read_header(path).values())


def test_names_of_every_kind_are_written_and_read(tmp_path: Path) -> None:
    names = ["ä", "名", 'a"b', "a\\b", "a\nb", "", "model.layers.0", "😀", "\x7f"]
    path = tmp_path / "model.safetensors"
    writer = ShardWriter(path, {name: (torch.uint8, (1,)) for name in names})
    for number, name in enumerate(names):
        writer.write(name, memoryview(bytes([number])), 0)
        writer.finish_tensor()
    assert {name: int(tensor) for name, tensor in load_file(path).items()} == dict(
        zip(names, range(9), strict=True)
    )
    assert {name: int(tensor.load()) for name, tensor in read_header(path).items()} == dict(
        zip(names, range(9), strict=True)
    )


def test_no_file_is_open_before_the_first_and_after_the_last_tensor(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    writer = ShardWriter(tmp_path / "model.safetensors", {"a": (torch.uint8, (1,)), "b": (torch.uint8, (1,))})
    assert open_files() == before
    writer.write("a", memoryview(b"1"), 0)
    writer.finish_tensor()
    assert open_files() == before + 1
    writer.write("b", memoryview(b"2"), 0)
    writer.finish_tensor()
    assert open_files() == before


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    path = save(tmp_path)
    whole = path.read_bytes()
    writer = ShardWriter(path, {"a": (torch.uint8, (1,))})
    with pytest.raises(FileExistsError):
        writer.write("a", memoryview(b"1"), 0)
    assert path.read_bytes() == whole
