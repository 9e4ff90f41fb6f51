"""Tensors that stay in their files, read by rows into a buffer: memory does not grow with the model."""

import math
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ama.errors import UserError


class WeightFile:
    """A weight file, opened when first read and closed when dropped; safe to read from several threads."""

    def __init__(self, path: Path) -> None:
        """Remember the path; nothing is opened yet."""
        self.path = path

    @cached_property
    def _descriptor(self) -> int:
        with self._errors():
            descriptor = os.open(self.path, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        return descriptor

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the bytes from `offset` on.

        Raises:
            UserError: the file can't be read, or ends before the buffer is full.
        """
        done = 0
        while done < len(buffer):
            with self._errors():
                count = os.preadv(self._descriptor, [buffer[done:]], offset + done)
            if count == 0:
                raise UserError(
                    f"{self.path} ends within a tensor, at byte {offset + done}: download it again"
                )
            done += count

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"{self.path} can't be read: {error.strerror}") from error


class Source(Protocol):
    """A tensor that can be read by rows, along the last axis; a vector is one element a row."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that it counts as when the result's dtype is chosen."""

    def read(self, start: int, stop: int, buffer: bytearray) -> Tensor:
        """Return rows `start` to `stop` as a flat tensor, which may live in `buffer` until its next use."""


def row_length(shape: tuple[int, ...]) -> int:
    """Return the length of a row: the last axis of a matrix or a stack of matrices, 1 for a vector."""
    return shape[-1] if len(shape) > 1 else 1


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as it lies in a weight file.

    Attributes:
        file: the file.
        offset: byte where its data begin.
        shape: its shape.
        dtype: its dtype.
    """

    file: WeightFile
    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        """Size of its data in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self, start: int, stop: int, buffer: bytearray) -> Tensor:
        """Read rows into the front of `buffer`; see `Source`."""
        row = row_length(self.shape) * self.dtype.itemsize
        size = (stop - start) * row
        self.file.read_into(memoryview(buffer)[:size], self.offset + start * row)
        return torch.frombuffer(buffer, dtype=self.dtype, count=size // self.dtype.itemsize)

    def load(self) -> Tensor:
        """Read the whole tensor, in its shape; for small ones."""
        if not self.nbytes:
            return torch.empty(self.shape, dtype=self.dtype)
        buffer = bytearray(self.nbytes)
        return self.read(0, math.prod(self.shape) // row_length(self.shape), buffer).view(self.shape)


@dataclass(frozen=True)
class LoadedTensor:
    """A tensor in memory, on any device.

    Attributes:
        values: the tensor, contiguous.
    """

    values: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.values.shape)

    @property
    def dtype(self) -> torch.dtype:
        """Its dtype."""
        return self.values.dtype

    def read(self, start: int, stop: int, _: bytearray) -> Tensor:
        """Return rows, which stay where they are; see `Source`."""
        width = row_length(self.shape)
        return self.values.view(-1)[start * width : stop * width]


@dataclass(frozen=True)
class LowRankTensor:
    """A matrix plus a LoRA update, W + scale * B A, computed in float32 as its rows are read.

    Attributes:
        base: W, shape (m, n).
        left: B, shape (m, r); if `transposed` A, shape (r, m).
        right: A, shape (r, n); if `transposed` B, shape (n, r).
        scale: lora_alpha / r, or lora_alpha / sqrt(r) for rsLoRA.
        transposed: W is stored as (in, out) (Conv1D, embeddings), so the update is (B A)^T.
    """

    base: StoredTensor
    left: StoredTensor
    right: StoredTensor
    scale: float
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """W's shape."""
        return self.base.shape

    @property
    def dtype(self) -> torch.dtype:
        """W's dtype: an adapter does not widen the model."""
        return self.base.dtype

    def read(self, start: int, stop: int, buffer: bytearray) -> Tensor:
        """Return rows of the updated matrix as a flat float32 tensor; see `Source`."""
        left, right = (factor.load().to(torch.float32) for factor in (self.left, self.right))
        if self.transposed:
            left, right = left.T, right.T
        rows = self.base.read(start, stop, buffer).to(torch.float32).view(stop - start, -1)
        return torch.addmm(rows, left[start:stop], right, alpha=self.scale).flatten()
