"""PyTorch's .bin files: the pickle is read with weights_only=True, the data stay in the file."""

import pickle
import zipfile
from pathlib import Path

import torch

from ama.checkpoint.tensors import StoredTensor, WeightFile
from ama.core.errors import UserError


def read_index(path: Path) -> dict[str, StoredTensor]:
    """Read where each tensor of a .bin file lies.

    Raises:
        UserError: not a zip archive of torch.save, code in its pickle, or a tensor that is not contiguous.
    """
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is truncated or in the format of PyTorch before 1.6; save it as safetensors")
    with zipfile.ZipFile(path) as archive:
        packed = [
            record.filename for record in archive.infolist() if record.compress_type != zipfile.ZIP_STORED
        ]
    if packed:
        raise UserError(f"{path} holds compressed records, '{packed[0]}' the first; save it with torch.save")
    try:
        tensors = torch.load(path, map_location="meta", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).partition("Unsupported")[2] or str(error)
        raise UserError(
            f"{path} holds more than tensors and was not loaded (unsupported{reason[:160]}); use safetensors"
        ) from error
    except RuntimeError as error:
        raise UserError(f"{path} can't be read: {str(error).splitlines()[0]}") from error
    if not isinstance(tensors, dict) or not all(
        isinstance(value, torch.Tensor) for value in tensors.values()
    ):
        raise UserError(f"{path} is no state dict: it must map names to tensors")
    file = WeightFile(path)
    return {name: _entry(file, name, tensor) for name, tensor in tensors.items()}


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
