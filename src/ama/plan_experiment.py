"""Check an experiment's ratios and schedules; estimate the memory and disk that its stages need."""

import argparse
import math
import sys
from argparse import Namespace
from pathlib import Path

from ama.console import Parser, positive_int, run
from ama.errors import UserError

_DESCRIPTION = """\
Nothing is read but the stages, and nothing is loaded. The estimate is made of the model's sizes and of
what the stages' command lines say (see ama.planning.needs); it is rough. Memory is that of each GPU, or of
each process on a CPU.

Example, a 7B model under ZeRO-3 on 8 GPUs:
  python -m ama.plan_experiment --params 7.24e9 --layers 32 --hidden 4096 --vocab 32000 \\
    --key_width 1024 --stage \\
    'sft=deepspeed --num_gpus 8 --module ama.train_sft --bf16 --deepspeed ds_config_zero3.json'"""


def main() -> None:
    """Check, estimate, print a table."""
    options = _options()
    _check_ratios(options)
    stages = [*options.stage, *_read_stages(options.stages)]
    if not stages:
        return
    from ama.console.table import print_table
    from ama.planning.needs import ModelSize
    from ama.planning.stage_needs import needs_of

    width = 4 if options.dtype == "float32" else 2
    key_width = options.key_width or options.hidden
    model = ModelSize(options.params, options.layers, options.hidden, options.vocab, key_width, width)
    found = [(name, needs_of(command, model)) for name, command in stages]
    rows = [
        (name, str(needs.processes), _gb(needs.memory), _gb(needs.during), _gb(needs.kept))
        for name, needs in found
    ]
    # A stage comes on top of what all before it have left.
    kept, peak = 0.0, 0.0
    for _, needs in found:
        kept += needs.kept
        peak = max(peak, kept + needs.during)
    memory = max(needs.memory for _, needs in found)
    rows.append(("largest, and all", "", _gb(memory), _gb(peak), _gb(kept)))
    columns = ("stage", "processes", "memory of each, GB", "disk while it runs, GB", "disk kept, GB")
    print_table("Estimated needs", columns, rows)


def _check_ratios(options: Namespace) -> None:
    from ama.averaging.schedules.split_tag import parse_ratio, parse_split_tag

    for ratio in options.ratios:
        parse_ratio(ratio, "--ratios")
    for word in options.part_wise:
        tag, at, alpha = word.rpartition("@")
        if not at:
            raise UserError(
                f"part-wise schedule '{word}' lacks @ALPHA, the ratio of the final norm and the head"
            )
        schedule = parse_split_tag(tag, parse_ratio(alpha, f"part-wise schedule '{word}'"))
        try:
            schedule.check_depth(options.layers)
        except UserError as error:
            raise UserError(f"in split tag '{tag}': {error}") from error


def _read_stages(path: Path | None) -> list[tuple[str, str]]:
    if path is None:
        return []
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    return [_stage(line) for line in text.splitlines() if line.strip()]


def _stage(text: str) -> tuple[str, str]:
    name, equals, command = text.partition("=")
    if not equals or not name.strip() or not command.strip():
        raise UserError(f"stage '{text}' is not NAME=COMMAND")
    return name.strip(), command.strip()


def _count(text: str) -> float:
    """Read a number such as 7.24e9, as the `type` of an argument."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0, such as 7.24e9")
    return value


def _gb(size: float) -> str:
    """Write bytes in GB, to a tenth below 10."""
    if not size:
        return "-"
    gigabytes = size / 1e9
    if gigabytes < 0.1:
        return "< 0.1"
    return f"{gigabytes:.1f}" if gigabytes < 10 else f"{gigabytes:.0f}"


def _options() -> Namespace:
    parser = Parser("plan_experiment", _DESCRIPTION)
    add = parser.add_argument
    add("--params", type=_count, required=True, metavar="N", help="the model's parameters, such as 7.24e9")
    add("--layers", type=positive_int, required=True, metavar="N", help="its transformer layers")
    add("--hidden", type=positive_int, required=True, metavar="N", help="its width")
    add("--vocab", type=positive_int, required=True, metavar="N", help="tokens of its vocabulary")
    add(
        "--key_width",
        type=positive_int,
        metavar="N",
        help="heads of keys times their width; by default --hidden",
    )
    add("--dtype", choices=("float32", "bfloat16", "float16"), default="bfloat16", help="of its checkpoints")
    add("--ratios", nargs="*", default=[], metavar="RATIO", help="ratios to check")
    add("--part_wise", nargs="*", default=[], metavar="TAG@ALPHA", help="part-wise schedules to check")
    add(
        "--stage",
        type=_stage,
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="a stage's command line",
    )
    add("--stages", type=Path, metavar="FILE", help="the same, one a line; - for standard input")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
