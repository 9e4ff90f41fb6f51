"""PairRM, which says by how much one reply to a prompt is better than another: llm-blender's own classes."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from ama.checkpoint.folder import read_json, read_weights
from ama.checkpoint.resolve import locate
from ama.errors import UserError
from ama.evaluation.measures.shims import apply_shims, load_base_in_float32
from ama.models import quiet
from ama.processes import own_device

# Of PairRM's training; the port's config has no place for them.
SOURCE_TOKENS, CANDIDATE_TOKENS = 1224, 412
_PORT = "DebertaV2PairRM"


class PairRM(Protocol):
    """A judge of pairs of replies."""

    def logits(self, inputs: Sequence[str], first: Sequence[str], second: Sequence[str]) -> list[float]:
        """Judge one batch of pairs, asked in both orders.

        A pair is asked as (first, second) and as (second, first); the first answer less the second one is
        returned, so that swapping the sides negates it exactly and a reply against itself gives 0.

        Args:
            inputs: what is replied to.
            first: a reply to each.
            second: another one.

        Returns:
            A logit for each pair: above 0 the first reply is better, below 0 the second, at 0 neither.
        """
        ...


@dataclass(frozen=True)
class Place:
    """Where a PairRM lies.

    Attributes:
        folder: its checkpoint.
        base: of the original layout, the folder of the model that it was trained from, which gives it
            configuration and tokenizer; None for the port.
    """

    folder: Path
    base: Path | None


def find_pairrm(source: str, base: str | None = None) -> Place:
    """Find a PairRM and tell its layout, without loading it.

    Args:
        source: folder or hub id of the original (llm-blender/PairRM) or of its port (llm-blender/PairRM-hf).
        base: folder or hub id of the original's base model, where it is not to be had by the name that
            its config.json gives. With a local `source` that name is looked up in the hub's cache only.

    Raises:
        UserError: neither of the two layouts, weights that are none of PairRM, or no base model.
    """
    folder, revision = locate(source, None)
    config = read_json(folder / "config.json")
    is_port = _PORT in (config.get("architectures") or [])
    if not is_port and config.get("ranker_type") != "pairranker":
        raise UserError(
            f"{source} is no PairRM: its config.json has neither ranker_type pairranker nor architecture "
            f"{_PORT}; give llm-blender/PairRM, llm-blender/PairRM-hf or a copy"
        )
    weights = read_weights(folder, "model.safetensors", "pytorch_model.bin")
    if "head_layer.1.weight" not in weights:
        raise UserError(f"{source} is no PairRM: its weights lack head_layer.1.weight")
    if is_port:
        return Place(folder, None)
    if base is not None:
        return Place(folder, locate(base, None)[0])
    return Place(folder, _base(str(config.get("model_name")), source, local=revision is None))


def _base(name: str, source: str, *, local: bool) -> Path:
    if not local or Path(name).is_dir():
        return locate(name, None)[0]
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        raise UserError(
            f"{source} was trained from {name}, which is neither a folder nor in the hub's cache: "
            f"name it with --pairrm_base"
        ) from None


def load_pairrm(place: Place) -> PairRM:
    """Load a PairRM onto this process's device; on a GPU the original runs in float16, as llm-blender does.

    Raises:
        UserError: its weights or those of its base can't be loaded, or some are missing.
    """
    quiet()
    apply_shims("llm-blender")
    load_base_in_float32()
    device = own_device().type
    return _Port(place.folder, device) if place.base is None else _Original(place.folder, place.base, device)


class _Original:
    """PairRM as llm-blender's Blender loads it."""

    def __init__(self, folder: Path, base: Path, device: str) -> None:
        from llm_blender.blender.blender import Blender
        from llm_blender.blender.config import BlenderConfig

        with _silence(), _user_errors(base, "base model of PairRM"):
            self._blender: Any = Blender(BlenderConfig(device=device, use_tqdm=False))
            self._blender.loadranker(str(folder), model_name=str(base))
        # llm-blender only warns of weights that are missing, and goes on with random ones.
        _check_whole(folder, self._blender.ranker)

    def logits(self, inputs: Sequence[str], first: Sequence[str], second: Sequence[str]) -> list[float]:
        found = self._blender.compare(
            list(inputs), list(first), list(second), batch_size=len(inputs), return_logits=True
        )
        return [float(logit) for logit in found]


class _Port:
    """PairRM as transformers loads it, with the tokenisation that llm-blender has for it."""

    def __init__(self, folder: Path, device: str) -> None:
        from llm_blender.pair_ranker.pairrm import DebertaV2PairRM

        with _silence(), _user_errors(folder, "PairRM"):
            self._model: Any = DebertaV2PairRM.from_pretrained(folder, dtype="float32", local_files_only=True)
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        _check_whole(folder, self._model)
        self._model.train(False).to(device)

    def logits(self, inputs: Sequence[str], first: Sequence[str], second: Sequence[str]) -> list[float]:
        found = self._ask(inputs, first, second) - self._ask(inputs, second, first)
        return [float(logit) for logit in found.tolist()]

    def _ask(self, inputs: Sequence[str], left: Sequence[str], right: Sequence[str]) -> Any:
        from llm_blender.blender.blender_utils import tokenize_pair

        encoded = tokenize_pair(self._tokenizer, inputs, left, right, SOURCE_TOKENS, CANDIDATE_TOKENS)
        with torch.inference_mode():
            return self._model(**encoded.to(self._model.device), return_dict=True).logits.float().cpu()


def _check_whole(folder: Path, model: Any) -> None:
    stored = read_weights(folder, "model.safetensors", "pytorch_model.bin")
    missing = {name for name, _ in model.named_parameters()} - stored.keys()
    if missing:
        raise UserError(f"{folder} is no whole PairRM: its weights lack {min(missing)}")


@contextmanager
def _user_errors(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{folder}: no {what} that can be loaded: {error}") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what llm-blender and transformers say of loading off the terminal."""
    level, root = transformers_logging.get_verbosity(), logging.getLogger().level
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.getLogger().setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        logging.getLogger().setLevel(root)
