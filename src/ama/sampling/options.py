"""The options of sampling that commands share, and what they are read into."""

from __future__ import annotations

from argparse import Namespace

from ama.console import Parser, positive_int
from ama.settings.sampling import SamplingSettings


def add_sampling(
    parser: Parser,
    *,
    samples: int | None = 1,
    temperature: float = 1.0,
    max_new_tokens: int = SamplingSettings.max_new_tokens,
) -> None:
    """Add the options of sampling, with the paper's values; `samples` of None has no option and means one."""
    add = parser.add_argument
    if samples is not None:
        add("--samples", type=positive_int, default=samples, help="replies to each prompt")
    add("--temperature", type=float, default=temperature, help="of the sampling; 0 takes the likeliest token")
    add("--top_k", type=int, default=0, help="draw from that many likeliest tokens; 0: from all")
    add("--top_p", type=float, default=1.0, help="draw from the likeliest tokens of this share")
    add("--max_new_tokens", type=positive_int, default=max_new_tokens, help="of a reply")
    add("--engine", choices=("transformers", "vllm"), default="transformers", help="what samples")
    add(
        "--sample_batch",
        type=positive_int,
        default=SamplingSettings.sample_batch,
        help="replies at a time on each process",
    )


def sampling_settings(options: Namespace) -> SamplingSettings:
    """Return the settings of `add_sampling`'s options.

    Raises:
        UserError: a number outside its range.
    """
    return SamplingSettings(
        samples=getattr(options, "samples", 1),
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        max_new_tokens=options.max_new_tokens,
        sample_batch=options.sample_batch,
        seed=options.seed,
        engine=options.engine,
    )


def add_prompt_limit(parser: Parser, tokens: int | None) -> None:
    """Add --max_prompt_tokens; `tokens` is its default, None for no limit."""
    parser.add_argument(
        "--max_prompt_tokens", type=positive_int, default=tokens, metavar="N", help="leave longer prompts out"
    )


def add_chat(parser: Parser, *, template: str, system: str) -> None:
    """Add --chat_template and --system, with these defaults."""
    add = parser.add_argument
    add(
        "--chat_template",
        choices=("auto", "never"),
        default=template,
        help="auto: give models the prompts by their tokenizer's chat template, where it has one",
    )
    add("--system", default=system, metavar="TEXT", help="system prompt of the chat template")
