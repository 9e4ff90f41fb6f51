"""Compare replies with references by PairRM, and keep what is done."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ama.checkpoint.whole_file import write_whole
from ama.data.lmflow import lmflow_text, read_lmflow
from ama.data.replies import Comparison
from ama.errors import UserError
from ama.evaluation.items import mean_items
from ama.evaluation.measure import Number
from ama.evaluation.measures.batch_size import with_batch_size
from ama.evaluation.measures.files import close_journals, open_journal
from ama.evaluation.measures.pairrm.judge import PairRM
from ama.processes import broadcast, gather_batches, is_first, rank_and_size
from ama.sampling.chat import is_dialogue, messages_of
from ama.sampling.journal import Journal
from ama.sampling.measures import mean_over_prompts, means_of_prompts
from ama.settings.measures import BatchSize

METRICS = ("win_rate", "length", "reference_length")
LARGEST_BATCH = 128
_Question = tuple[str, str, str]


def compare_pairs(
    judge: PairRM, pairs: Sequence[Comparison], size: BatchSize, path: Path, *, rerun: bool = False
) -> list[float]:
    """Judge every pair, and write pairs and logits to `path`; what is there stays.

    The processes of a run share the batches, and a run that was cut short goes on where it stopped.

    Args:
        judge: of `ama.evaluation.measures.pairrm.judge.load_pairrm`.
        pairs: what to compare, in this order.
        size: pairs at a time. llm-blender cuts long replies by the longest prompt of their batch, so that
            another batch can change such a pair's logit.
        path: a .json file whose name changes with the judge and the pairs. It is LMFlow JSON of type
            text2text, with `reference` and `logit` beside.
        rerun: compare anew where all is there.

    Returns:
        A logit for each pair, above 0 where the reply is better; the same on every process.

    Raises:
        UserError: a logit that is not finite.
    """
    questions = [_question(pair) for pair in pairs]

    def judged(batch: int) -> list[float]:
        return _logits(judge, questions, batch, open_journal(path, batch))

    if not broadcast(path.is_file() and not rerun):
        logits = with_batch_size(size, LARGEST_BATCH, judged)
        if is_first():
            rows: list[dict[str, Any]] = [
                {"input": pair.prompt, "output": pair.reply, "reference": pair.reference, "logit": logit}
                for pair, logit in zip(pairs, logits, strict=True)
            ]
            write_whole(path, lmflow_text("text2text", rows))
            close_journals(path)
    broadcast(None)
    return [float(row.fields["logit"]) for row in read_lmflow(path, ["text2text"])]


def _logits(judge: PairRM, questions: Sequence[_Question], batch: int, done: Journal[float]) -> list[float]:
    batches = [questions[begin : begin + batch] for begin in range(0, len(questions), batch)]
    rank, size = rank_and_size()
    before, note = done.read(), done.writer()
    found = {number: before[number] for number in before if number % size == rank}
    for number in range(rank, len(batches), size):
        if number not in found:
            inputs, replies, references = zip(*batches[number], strict=True)
            found[number] = _finite(judge.logits(inputs, replies, references))
            note(number, found[number])
            if rank == 0 and (number + 1) % max(1, len(batches) // 10) == 0:
                sys.stderr.write(f"comparing: batch {number + 1}/{len(batches)}\n")
    return [logit for _, logits in sorted(gather_batches(found).items()) for logit in logits]


def _question(pair: Comparison) -> _Question:
    """Return what PairRM is asked: the texts of an instruction, a dialogue as llm-blender puts one."""
    if not is_dialogue(pair.prompt):
        return pair.prompt, pair.reply, pair.reference
    from llm_blender.blender.blender_utils import get_pair_from_conv

    talks = [_conversation(pair.prompt, reply) for reply in (pair.reply, pair.reference)]
    ((question,), (reply,), (reference,)) = get_pair_from_conv(talks[:1], talks[1:])
    return question, reply, reference


def _conversation(prompt: str, reply: str) -> list[dict[str, str]]:
    messages = [*messages_of(prompt), {"role": "assistant", "content": reply}]
    return [{"role": said["role"].upper(), "content": said["content"]} for said in messages]


def _finite(logits: list[float]) -> list[float]:
    if not all(map(math.isfinite, logits)):
        raise UserError(
            "PairRM gives a logit that is not finite: its weights are broken, or overflow in float16"
        )
    return logits


def outcome(logit: float) -> float:
    """Return 1 for a win of the reply, 0 for a loss, 0.5 for a tie, where PairRM prefers neither."""
    return 0.5 if logit == 0 else float(logit > 0)


def numbers_of(pairs: Sequence[Comparison], logits: Sequence[float]) -> list[Number]:
    """Return the numbers of METRICS, means over pairs with their standard errors.

    `win_rate` counts a tie as half a win. `length` and `reference_length` are characters without the white
    space around a text.
    """
    prompts = [pair.prompt for pair in pairs]
    values = (
        [outcome(logit) for logit in logits],
        [float(len(pair.reply.strip())) for pair in pairs],
        [float(len(pair.reference.strip())) for pair in pairs],
    )
    means = [mean_over_prompts(prompts, found) for found in values]
    items = [mean_items(means_of_prompts(prompts, found)) for found in values]
    return [Number(metric, *mean, own) for metric, mean, own in zip(METRICS, means, items, strict=True)]
