"""Measure how often PairRM prefers a model's replies to reference replies."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, run

_DESCRIPTION = """\
Draws a reply of each model to the prompts of --references, or takes --replies from files, and has PairRM, by
llm-blender, compare it with the reference, asked in both orders. Appends to a file of scores: win_rate, a tie
being half a win, and the mean lengths of replies and references in characters. Every pair with its logit
stays in --out to read. Run again after a crash, it goes on where it stopped.

Examples:
  python -m ama.evaluate_pairrm --models models/sft models/rlhf --reference_name gpt4_1106_preview \\
    --references data/alpaca_eval/alpaca_eval.json --pairrm models/PairRM-hf --scores output/scores.jsonl
  python -m ama.evaluate_pairrm --replies mine.json --references theirs.json --scores output/scores.jsonl
The same command under torchrun or accelerate launch shares the work."""


def main() -> None:
    """Draw what is not there of every entrant, then compare all with one load of PairRM."""
    options = _options()
    from ama.evaluation.measures.contests import contests, entrants
    from ama.evaluation.measures.pairrm import pairrm_measure
    from ama.evaluation.recording import ScoreBook, say
    from ama.processes import join

    measure = pairrm_measure(options)
    subjects = entrants(options)
    book = ScoreBook(options.scores, rerun=options.rerun)
    join()
    todo = book.lacking(subjects, measure.what, "win_rate")
    if not todo:
        return
    entered = contests(todo, measure.asked, measure.references, options)
    for subject, contest in zip(todo, entered, strict=True):
        numbers = measure.compare(subject, contest)
        book.add(subject, measure.what, numbers)
        say(subject, measure.what, numbers)


def _options() -> Namespace:
    from ama.evaluation.measures.pairrm import add_pairrm
    from ama.evaluation.options import add_scoring, add_subjects

    parser = Parser("evaluate_pairrm", _DESCRIPTION)
    add_subjects(parser)
    add = parser.add_argument
    add(
        "--replies",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="or replies to compare in place of a model's: outputs as AlpacaEval writes them, or LMFlow JSON",
    )
    add("--replies_name", metavar="NAME", help="whose outputs to take where --replies has those of several")
    add_pairrm(parser)
    add_scoring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
