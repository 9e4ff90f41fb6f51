"""PyTorch's .bin files: the pickle is read with weights_only=True, the data stay in the file."""

import pickle
import zipfile
from pathlib import Path

import torch

from ama.checkpoint.tensors import StoredTensor, WeightFile
from ama.errors import UserError


def read_index(path: Path) -> dict[str, StoredTensor]:
    """Read where each tensor of a .bin file lies.

    Raises:
        UserError: not a zip archive of torch.save, code in its pickle, or a tensor that is not contiguous.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise UserError(
                f"{path} is truncated or in the format of PyTorch before 1.6; save it as safetensors"
            )
        packed = _compressed_records(path)
        tensors = {} if packed else torch.load(path, map_location="meta", weights_only=True)
    except (OSError, UserError):
        raise
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than tensors and was not loaded ({_reason(error)}); use safetensors"
        ) from error
    except Exception as error:
        # What a damaged archive or pickle raises depends on its bytes: almost anything.
        raise UserError(f"{path} is damaged ({_reason(error)}): download or save it again") from error
    if packed:
        raise UserError(f"{path} holds compressed records, '{packed[0]}' the first; save it with torch.save")
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in tensors.items()
    ):
        raise UserError(f"{path} is no state dict: it must map names to tensors")
    file = WeightFile(path)
    return {name: _entry(file, name, tensor) for name, tensor in tensors.items()}


def _compressed_records(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return [
            record.filename for record in archive.infolist() if record.compress_type != zipfile.ZIP_STORED
        ]


def _reason(error: Exception) -> str:
    """Return in one line what torch says, without its advice to load the file all the same."""
    lines = str(error).partition("\n\nCheck the documentation")[0].strip().splitlines() or [
        type(error).__name__
    ]
    line = lines[-1 if isinstance(error, pickle.UnpicklingError) else 0]
    return line.strip().removeprefix("WeightsUnpickler error: ").partition(" Please ")[0][:160]


def _entry(file: WeightFile, name: str, tensor: torch.Tensor) -> StoredTensor:
    if not tensor.is_contiguous():
        raise UserError(
            f"tensor '{name}' in {file.path} is not contiguous; save the model with save_pretrained"
        )
    storage = tensor.untyped_storage()
    # torch.load sets this on meta storages: the byte in the archive where the record's data begin.
    start = storage._checkpoint_offset
    if start is None:
        raise UserError(f"tensor '{name}' in {file.path} has no data of its own; save the model again")
    offset = start + int(tensor.storage_offset()) * tensor.itemsize
    return StoredTensor(file, offset, tuple(tensor.shape), tensor.dtype)
