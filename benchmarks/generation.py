"""Measure how much faster replies are sampled in large batches than one prompt at a time; see README.md."""

import argparse
import sys
import time
from pathlib import Path

from ama.data.samples import read_samples
from ama.models import load_model, load_tokenizer
from ama.sampling.generation import sample_replies
from ama.settings.sampling import SamplingSettings


def speed(model_path: Path, prompts: list[str], new_tokens: int, batch: int) -> float:
    """Return how many tokens of replies a second are sampled; each prompt gets one reply.

    Args:
        model_path: folder of the model.
        prompts: to reply to.
        new_tokens: of a reply, at most.
        batch: replies at a time.
    """
    model, tokenizer = load_model(model_path), load_tokenizer(model_path)
    settings = SamplingSettings(max_new_tokens=new_tokens, sample_batch=batch)
    sample_replies(model, tokenizer, prompts[:1], settings)
    begun = time.perf_counter()
    replies = sample_replies(model, tokenizer, prompts, settings)
    seconds = time.perf_counter() - begun
    tokens = sum(len(row) for row in tokenizer(replies, add_special_tokens=False)["input_ids"])
    return tokens / seconds


def main() -> None:
    """Read the options, then print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--prompts", type=Path, required=True, help="LMFlow JSON of prompts")
    parser.add_argument("--count", type=int, default=64, help="how many prompts to take")
    parser.add_argument("--new_tokens", type=int, default=64, help="of a reply, at most")
    parser.add_argument(
        "--batches",
        type=int,
        nargs="+",
        default=[1, 16, 64],
        help="replies at a time, compared to the first",
    )
    options = parser.parse_args()
    prompts = [sample.prompt for sample in read_samples(options.prompts)][: options.count]
    speeds = [speed(options.model, prompts, options.new_tokens, batch) for batch in options.batches]
    sys.stdout.write("| replies at a time | tokens a second | times as fast |\n| --- | --- | --- |\n")
    for batch, found in zip(options.batches, speeds, strict=True):
        sys.stdout.write(f"| {batch} | {found:.1f} | {found / speeds[0]:.1f} |\n")


if __name__ == "__main__":
    main()
