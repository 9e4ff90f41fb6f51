"""The safetensors header, read with every claim checked against the file, and written ahead of the data."""

import json
import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ama.checkpoint.tensors import StoredTensor, WeightFile
from ama.core.errors import UserError

_LENGTH_BYTES = 8
_MAX_HEADER = 100_000_000
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
            header = json.loads(stream.read(length))
        except ValueError as error:
            raise _broken(path, f"its header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise _broken(path, "its header is no JSON object")
    header.pop("__metadata__", None)
    file = WeightFile(path)
    start = _LENGTH_BYTES + length
    return {name: _entry(file, name, entry, start, size) for name, entry in header.items()}


def _entry(file: WeightFile, name: str, entry: Any, data_start: int, file_size: int) -> StoredTensor:
    try:
        dtype = _DTYPES[entry["dtype"]]
        shape = tuple(int(length) for length in entry["shape"])
        begin, end = (int(offset) for offset in entry["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(file.path, f"tensor '{name}' is described as {json.dumps(entry)[:120]}") from error
    tensor = StoredTensor(file, data_start + begin, shape, dtype)
    if min(shape, default=0) < 0 or begin < 0 or end - begin != tensor.nbytes:
        raise _broken(file.path, f"tensor '{name}' {list(shape)} {entry['dtype']} claims {end - begin} bytes")
    if data_start + end > file_size:
        raise _broken(file.path, f"tensor '{name}' ends at byte {data_start + end}, the file at {file_size}")
    return tensor


def _broken(path: Path, what: str) -> UserError:
    return UserError(f"{path} is truncated or no safetensors file: {what}; download or save it again")


class ShardWriter:
    """A safetensors file whose tensors are filled in any order, from any thread."""

    def __init__(self, path: Path, tensors: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]) -> None:
        """Create the file at its full size, with its header.

        Args:
            path: the new file.
            tensors: dtype and shape of each tensor. Wider dtypes go first, so that every tensor is aligned.
        """
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        self._begin: dict[str, int] = {}
        self._unfinished = len(tensors)
        self._lock = threading.Lock()
        end = 0
        for name, (dtype, shape) in sorted(tensors.items(), key=lambda item: (-item[1][0].itemsize, item[0])):
            begin, end = end, end + math.prod(shape) * dtype.itemsize
            header[name] = {"dtype": _CODES[dtype], "shape": shape, "data_offsets": [begin, end]}
            self._begin[name] = begin
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        self._data_start = _LENGTH_BYTES + len(text)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        os.ftruncate(self._descriptor, self._data_start + end)
        self._write_all(memoryview(len(text).to_bytes(_LENGTH_BYTES, "little") + text), 0)

    def write(self, name: str, data: memoryview, offset: int) -> None:
        """Write bytes of a tensor, `offset` bytes from its beginning."""
        self._write_all(data, self._data_start + self._begin[name] + offset)

    def finish_tensor(self) -> None:
        """Say that one more tensor is written; the last one waits until the file is on the disk."""
        with self._lock:
            self._unfinished -= 1
            last = self._unfinished == 0
        if last:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _write_all(self, data: memoryview, position: int) -> None:
        done = 0
        while done < len(data):
            done += os.pwrite(self._descriptor, data[done:], position + done)
