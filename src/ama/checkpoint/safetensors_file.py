"""The safetensors header, read with every claim checked against the file, and written ahead of the data."""

import json
import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ama.checkpoint.json_text import parse_object
from ama.checkpoint.tensors import StoredTensor, WeightFile
from ama.errors import UserError

_LENGTH_BYTES = 8
_MAX_HEADER = 100_000_000
_MAX_NUMBER = 2**63 - 1
_ALIGNMENT = 8
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Read where each tensor of a safetensors file lies.

    Raises:
        UserError: the file is truncated, or its header is no valid safetensors header.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        prefix = stream.read(_LENGTH_BYTES)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < _LENGTH_BYTES or length > min(size - _LENGTH_BYTES, _MAX_HEADER):
            raise _broken(path, f"its header claims {length} bytes, the file has {size}")
        try:
            header = parse_object(stream.read(length), unique_keys=True)
        except ValueError as error:
            raise _broken(path, f"its header is no JSON object ({error})") from error
    header.pop("__metadata__", None)
    file = WeightFile(path)
    start = _LENGTH_BYTES + length
    tensors = {name: _entry(file, name, entry, start) for name, entry in header.items()}
    _check_coverage(path, tensors, start, size)
    return tensors


def _entry(file: WeightFile, name: str, entry: Any, data_start: int) -> StoredTensor:
    try:
        code = entry["dtype"]
        shape = _whole_numbers(entry["shape"])
        begin, end = _whole_numbers(entry["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(file.path, f"tensor '{name}' is described as {json.dumps(entry)[:120]}") from error
    if not isinstance(code, str) or code not in _DTYPES:
        raise UserError(
            f"tensor '{name}' in {file.path} has dtype {code}, which ama can't read: "
            "give bfloat16, float16 or float32 weights"
        )
    tensor = StoredTensor(file, data_start + begin, shape, _DTYPES[code])
    if end - begin != tensor.nbytes:
        raise _broken(file.path, f"tensor '{name}' {list(shape)} {code} claims {end - begin} bytes")
    return tensor


def _whole_numbers(values: Any) -> tuple[int, ...]:
    if not all(type(value) is int and 0 <= value <= _MAX_NUMBER for value in values):
        raise ValueError
    return tuple(values)


def _check_coverage(path: Path, tensors: Mapping[str, StoredTensor], start: int, size: int) -> None:
    """Raise UserError unless the tensors cover the data without overlap, gap or rest, as the format asks."""
    position = start
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].offset, item[1].nbytes)):
        if tensor.offset != position:
            raise _broken(
                path,
                f"tensor '{name}' begins at byte {tensor.offset}, but the data before it end at {position}",
            )
        position += tensor.nbytes
    if position != size:
        raise _broken(path, f"its tensors end at byte {position}, the file at {size}")


def _broken(path: Path, what: str) -> UserError:
    return UserError(f"{path} is truncated or no safetensors file: {what}; download or save it again")


class ShardWriter:
    """A safetensors file whose tensors are filled in any order, from any thread.

    It is open from its first tensor to its last: a result may have more files than a process may have open.
    """

    def __init__(self, path: Path, tensors: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]) -> None:
        """Lay out the file; nothing is written yet.

        Args:
            path: the new file.
            tensors: dtype and shape of each tensor. Wider dtypes go first, so that every tensor is aligned.
        """
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        self._path = path
        self._begin: dict[str, int] = {}
        self._unfinished = len(tensors)
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        end = 0
        for name, (dtype, shape) in sorted(tensors.items(), key=lambda item: (-item[1][0].itemsize, item[0])):
            begin, end = end, end + math.prod(shape) * dtype.itemsize
            header[name] = {"dtype": _CODES[dtype], "shape": shape, "data_offsets": [begin, end]}
            self._begin[name] = begin
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        self._head = len(text).to_bytes(_LENGTH_BYTES, "little") + text
        self._size = len(self._head) + end

    def write(self, name: str, data: memoryview, offset: int) -> None:
        """Write bytes of a tensor, `offset` bytes from its beginning, and let the disk begin with them."""
        descriptor, position = self._open(), len(self._head) + self._begin[name] + offset
        _write_all(descriptor, data, position)
        _start_writeback(descriptor, position, len(data))

    def finish_tensor(self) -> None:
        """Say that one more tensor is written; the last one waits until the file is on the disk."""
        with self._lock:
            self._unfinished -= 1
            last = self._unfinished == 0
        if last:
            os.fsync(self._open())
            self.close()

    def close(self) -> None:
        """Close the file if it is open."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _open(self) -> int:
        """Return the file's descriptor; the first call creates it at its full size, with its header."""
        with self._lock:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                os.ftruncate(self._descriptor, self._size)
                _write_all(self._descriptor, memoryview(self._head), 0)
            return self._descriptor


def _write_all(descriptor: int, data: memoryview, position: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], position + done)


def _start_writeback(descriptor: int, position: int, size: int) -> None:
    """Have the bytes written to the disk now, not at the sync: what Linux does on this advice."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, position, size, os.POSIX_FADV_DONTNEED)
