"""Average a checkpoint before RLHF with one after it, plainly or part by part, into a new checkpoint."""

from argparse import Namespace

from ama.averaging.command import Wanted, add_inputs, add_merge_options, merge_command
from ama.averaging.schedules.grammar import SiteCheck, is_mask, learned_schedule
from ama.averaging.schedules.schedule import Schedule, Scope
from ama.averaging.schedules.split_tag import check_tag, parse_ratio, split_tag_in
from ama.averaging.schedules.yaml_file import read_schedule
from ama.console import Parser, run
from ama.errors import UserError

_DESCRIPTION = """\
merged = ratio * before + (1 - ratio) * after, ratio in [0, 1]: 0 is the model after RLHF, 1 the one before.

Plain averaging:      --alpha 0.3
Part-wise averaging:  --alpha 0.3 --schedule 'split|10#20|0.4|0.3|0.2'
                      layers 0-10 and the embeddings get 0.4, layers 11-20 0.3, the others 0.2; the final
                      norm and the head get alpha (split0 in place of split: the head gets 0)
By a file:            --schedule configs/ama/llama_7b_split.yaml
By learned ratios:    --schedule output/masks/mask_alphas.bin (--alpha: another mean; see ama.merge_masks)
The output's name may hold the split tag instead, as in pma_0.3_sft_split|10#20|0.4|0.3|0.2_rlhf."""


def _parser() -> Parser:
    parser = Parser("interpolate", _DESCRIPTION)
    add_inputs(parser)
    add = parser.add_argument
    add("--alpha", metavar="RATIO", help="weight of before, in [0, 1]")
    add(
        "--schedule",
        metavar="S",
        help="split tag, YAML file or mask_alphas.bin; by default the save name's, else plain averaging",
    )
    add(
        "--scope",
        choices=[str(scope) for scope in Scope],
        default=str(Scope.ALL),
        help="linear: average linear maps only, take all else from before; a learned mask has its own",
    )
    add("--out", required=True, metavar="DIR", help="folder to write; its name may hold a split tag")
    add("--tag0", default="", help="name of before within the save name, checked for reserved characters")
    add("--tag1", default="", help="name of after within the save name, checked for reserved characters")
    add_merge_options(parser)
    return parser


def main() -> int:
    """Read the command line and merge."""
    return merge_command(_parser(), _wanted)


def _wanted(arguments: Namespace, save_name: str) -> Wanted:
    return Wanted(arguments.before, arguments.after, *_schedule(arguments, save_name))


def _schedule(arguments: Namespace, save_name: str) -> tuple[Schedule, SiteCheck | None]:
    check_tag(arguments.tag0, "--tag0")
    check_tag(arguments.tag1, "--tag1")
    alpha = None if arguments.alpha is None else parse_ratio(arguments.alpha, "--alpha")
    text = arguments.schedule
    if text is None or not is_mask(text):
        return read_schedule(alpha, text, save_name, Scope(arguments.scope)), None
    if tag := split_tag_in(save_name):
        raise UserError(f"--schedule '{text}' and the save name's '{tag}' disagree: drop one of them")
    return learned_schedule(text, alpha, extrapolate=False)


if __name__ == "__main__":
    run(main)
