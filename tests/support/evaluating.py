"""Models that read any text, and evaluation sets in their real schema, for the harnesses."""

import json
import sys
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ama import build_eval_data
from support.call import call
from support.eval_rows import eval_source, rows, write_lines
from support.tiny import load, make_llama, rewrite

_WORDS = [
    "the",
    "river",
    "was",
    "near",
    "a mill,",
    "and",
    "Ann",
    "had",
    "12",
    "boats;",
    "why?",
    "café",
    "red",
]
# Names, numbers and labels, which a harness reads as such.
_KEPT = {
    "id",
    "label",
    "idx",
    "query_id",
    "section_id",
    "number",
    "date",
    "worker_id",
    "hit_id",
    "answer_start",
}
_CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"


def make_reader(folder: Path, seed: int, brevity: float = 10) -> Path:
    """Save a tiny Llama that reads bytes, with a chat template.

    Args:
        folder: where to.
        seed: of its random weights.
        brevity: the larger, the sooner its replies end.

    Returns:
        The folder.
    """
    make_llama(folder, seed, vocab_size=257, max_position_embeddings=768, eos_token_id=256)
    tensors = load(folder)
    # The logit of the end has the widest range.
    tensors["lm_head.weight"][256] *= brevity
    rewrite(folder, tensors)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>", pad_token="<eos>")
    tokenizer.chat_template = _CHAT
    tokenizer.save_pretrained(folder)
    return folder


def make_eval_data(folder: Path, count: int = 6) -> Path:
    """Build the folder of evaluation sets from made-up rows, no two alike, as a user does, and return it."""
    source = eval_source(folder / "source", count)
    for path in source.rglob("*.jsonl"):
        draw = Random(path.parent.name)
        write_lines(path, [_vary(row, draw) for row in rows(path)])
    call(build_eval_data.main, "--source", source, "--out", folder / "eval")
    return folder / "eval"


def _vary(content: Any, draw: Random) -> Any:
    """Return a row with other texts of its own, and other right answers where these are labels."""
    if isinstance(content, dict):
        changed = {key: _vary(value, draw) for key, value in content.items() if key not in _KEPT}
        kept = {key: content[key] for key in content.keys() & _KEPT}
        if "label" in kept and isinstance(kept["label"], int):
            kept["label"] = draw.randrange(2)
        for name in ("answerKey", "answer"):
            if isinstance(content.get(name), str):
                changed[name] = draw.choice("ABCD")
        return {**changed, **kept}
    if isinstance(content, list):
        return [_vary(value, draw) for value in content]
    return " ".join(draw.choices(_WORDS, k=draw.randint(1, 6))) if isinstance(content, str) else content


def lm_eval_numbers(
    model: Path, tasks: Sequence[str], eval_data: Path, out: Path, *arguments: str
) -> dict[tuple[str, str], tuple[float, float | None]]:
    """Run lm-eval's own command line in the folder of data; return value and stderr by task and metric."""
    from lm_eval.__main__ import cli_evaluate

    options = {"--model": "hf", "--model_args": f"pretrained={model}", "--device": "cpu"}
    options |= {"--tasks": ",".join(tasks), "--output_path": str(out)}
    command = ["lm_eval", "run", *(part for option in options.items() for part in option), *arguments]
    with chdir(eval_data), patch.object(sys, "argv", command):
        cli_evaluate()
    (path,) = out.rglob("results_*.json")
    found: dict[str, dict[str, Any]] = json.loads(path.read_text())["results"]
    numbers = {}
    for task, results in found.items():
        for key, value in results.items():
            metric, comma, name = key.partition(",")
            if comma and not metric.endswith("_stderr"):
                stderr = results.get(f"{metric}_stderr,{name}")
                numbers[task, metric] = (value, stderr if isinstance(stderr, float) else None)
    return numbers
