"""mask_alphas.bin and mask_alphas.json: learned ratios on disk, in the released layout and readable."""

import json
import math
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ama.averaging.schedules.learned import LearnedMask
from ama.checkpoint.names import layer_of
from ama.checkpoint.whole_file import write_whole
from ama.errors import UserError
from ama.settings.merging import Scope
from ama.settings.ratios import JSON_NAME, Approach

BIN_NAME = "mask_alphas.bin"
_RELEASED_EPSILON = 1e-6


def write_mask(mask: LearnedMask, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write mask_alphas.bin and mask_alphas.json, each whole or not at all.

    Args:
        mask: the learned ratios.
        folder: where they go; it exists.
        facts: what else mask_alphas.json shall say: models, data, settings, versions.
    """
    named = {name: mask.raw[block].clone() for name, block in mask.modules.items()}
    content = {
        "mask_alphas": named,
        "mask_bkp_alphas": {label: mask.raw[block].clone() for block, label in enumerate(mask.labels)},
        "init_val": mask.mean,
        "epsilon": mask.epsilon,
        "base_gammas": {},
        "approach": str(mask.approach),
        "scope": str(mask.scope),
        "blocks": dict(mask.modules),
    }
    staged = folder / f".{BIN_NAME}.part"
    torch.save(content, staged)
    os.replace(staged, folder / BIN_NAME)
    ratios = dict(zip(mask.labels, mask.ratios(), strict=True))
    readable = {
        "ratios": ratios,
        "raw": dict(zip(mask.labels, mask.raw.tolist(), strict=True)),
        **{key: content[key] for key in ("init_val", "epsilon", "approach", "scope")},
        **facts,
    }
    write_whole(folder / JSON_NAME, [json.dumps(readable, indent=2) + "\n"])


def read_mask(path: Path) -> LearnedMask:
    """Read mask_alphas.bin, ours or the released code's.

    Args:
        path: the file, or its folder.

    Raises:
        UserError: missing, not loadable with weights_only=True, or not in the layout.
    """
    file = path / BIN_NAME if path.is_dir() else path
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{file} is missing: give mask_alphas.bin or its folder") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{file} holds more than tensors and numbers, or is damaged, and was not loaded: "
            "use the mask_alphas.bin that ama.optimize_masks wrote"
        ) from error
    except Exception as error:
        # What a damaged archive raises depends on its bytes: almost anything.
        raise UserError(f"{file} is truncated or no file of torch.save: copy or learn it again") from error
    try:
        return _parse(content)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"{file} is not in the layout of learned ratios: {error}") from error


def _parse(content: Mapping[str, Any]) -> LearnedMask:
    missing = {"mask_alphas", "mask_bkp_alphas", "init_val"} - set(content)
    if missing:
        raise ValueError(f"it lacks {min(missing)}")
    named = {_module(name): value for name, value in content["mask_alphas"].items()}
    # The released linearwise level leaves mask_bkp_alphas empty: there every module is a block.
    blocks: Mapping[Any, Tensor] = content["mask_bkp_alphas"] or named
    if not named:
        raise ValueError("it holds no ratio")
    labels = tuple(str(key) for key in blocks)
    raw = torch.stack([value.detach().float().reshape(()) for value in blocks.values()])
    modules = content.get("blocks") or _released_blocks(named, labels, raw)
    mask = LearnedMask(
        raw,
        labels,
        {str(name): int(block) for name, block in modules.items()},
        float(content["init_val"]),
        float(content.get("epsilon", _RELEASED_EPSILON)),
        Approach(content.get("approach", Approach.NORMALIZED)),
        Scope(content.get("scope", Scope.LINEAR)),
    )
    if not (0 < mask.mean < 1 and 0 <= mask.epsilon < math.inf and mask.raw.isfinite().all()):
        raise ValueError(f"init_val {mask.mean}, epsilon {mask.epsilon} or a raw ratio is out of range")
    if all(layer_of(name) is None for name in mask.modules):
        raise ValueError("it holds no ratio of a layer's module")
    if not set(mask.modules.values()) <= set(range(len(labels))):
        raise ValueError("it names a block that it does not have")
    return mask


def _module(name: str) -> str:
    return str(name).removesuffix(".weight").removesuffix(".bias")


def _released_blocks(named: Mapping[str, Tensor], labels: Sequence[str], raw: Tensor) -> dict[str, int]:
    """Return the block of each module by the value that both share: the released file does not name it."""
    found = {}
    for name, value in named.items():
        matches = (raw == value.detach().float()).nonzero().flatten().tolist()
        if name in labels:
            found[name] = labels.index(name)
        elif matches:
            # Blocks whose scalars are still equal have equal ratios: any of them will do.
            found[name] = matches[0]
        elif layer_of(name) is not None:
            raise ValueError(f"the scalar of '{name}' is in no block")
    return found
