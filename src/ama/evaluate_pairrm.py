"""Measure how often PairRM prefers a model's replies to reference replies."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ama.console import Parser, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ama.evaluation.pairrm import Place
    from ama.evaluation.recording import Measurement
    from ama.evaluation.replies import Asked

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
_SYSTEM = "You are a helpful, honest and respectful chatbot."


def main() -> None:
    """Draw what is not there of every entrant, then compare all with one load of PairRM."""
    options = _options()
    from ama.data.replies import read_replies
    from ama.evaluation.batch_size import check_batch_size
    from ama.evaluation.contests import contests, entrants, prompts_for
    from ama.evaluation.kept import fingerprint_of, keyed_name
    from ama.evaluation.pairrm import find_pairrm, load_pairrm
    from ama.evaluation.processes import is_first, join_run
    from ama.evaluation.recording import ScoreBook, say
    from ama.evaluation.replies import asked_of

    check_batch_size(options.batch_size)
    place = find_pairrm(options.pairrm, options.pairrm_base)
    references = read_replies(options.references, options.reference_name)
    subjects = entrants(options)
    asked = None if options.replies else asked_of(options, prompts_for(options, references))
    what = _measurement(options, place, references, asked)
    book = ScoreBook(options.scores, rerun=options.rerun)
    join_run()
    todo = book.lacking(subjects, what, "win_rate")
    if not todo:
        return
    entered = contests(todo, asked, references, options)
    from ama.evaluation.comparisons import compare_pairs, numbers_of

    judge = load_pairrm(place)
    for subject, (folder, pairs) in zip(todo, entered, strict=True):
        decides = {name: what.settings[name] for name in ("pairrm_weights", "batch_size")}
        decides["pairs"] = fingerprint_of([text for pair in pairs for text in pair])
        path = folder / f"{keyed_name(f'pairrm_{place.folder.name}', decides)}.json"
        logits = compare_pairs(judge, pairs, options.batch_size, path, rerun=options.rerun)
        numbers = numbers_of(pairs, logits)
        book.add(subject, what, numbers)
        say(subject, what, numbers)
        if is_first():
            ties = sum(logit == 0 for logit in logits)
            sys.stderr.write(f"{subject.label}: {ties} ties; pairs with logits in {path}\n")


def _measurement(
    options: Namespace, place: Place, references: Mapping[str, str], asked: Asked | None
) -> Measurement:
    from ama.evaluation.kept import fingerprint_of
    from ama.evaluation.recording import Measurement
    from ama.models import provenance

    settings = {
        **(asked.settings if asked else {}),
        "references": fingerprint_of([*references, *references.values()]),
        "reference_name": options.reference_name,
        "pairrm": options.pairrm,
        "pairrm_weights": provenance(place.folder).fingerprint,
        "batch_size": options.batch_size,
    }
    task = options.task or options.references.stem
    seed = asked.sampling.seed if asked else None
    return Measurement("pairrm", task, "llm-blender", settings, seed)


def _options() -> Namespace:
    from ama.evaluation.options import add_measuring, add_scoring, add_subjects
    from ama.sampling.options import add_chat, add_prompt_limit, add_sampling

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
    add("--references", type=Path, required=True, metavar="PATH", help="what to compare with; as --replies")
    add("--reference_name", metavar="NAME", help="whose outputs to take where --references has several")
    add("--prompts", type=Path, metavar="PATH", help="prompts, by default those of --references")
    add("--task", metavar="NAME", help="in the file of scores; by default the name of --references")
    add(
        "--pairrm",
        default="llm-blender/PairRM",
        metavar="MODEL",
        help="folder or hub id of PairRM or PairRM-hf",
    )
    add(
        "--pairrm_base",
        metavar="MODEL",
        help="folder or hub id of the model that PairRM was trained from, if its config names none at hand",
    )
    add("--out", type=Path, metavar="DIR", help="for the replies; by default `replies` beside --scores")
    add_prompt_limit(parser, None)
    add_sampling(parser, samples=None, temperature=0.7, max_new_tokens=300)
    add_chat(parser, template="auto", system=_SYSTEM)
    add_measuring(parser, 4, seed=0)
    add_scoring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
