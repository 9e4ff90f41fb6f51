"""What measured numbers are made of, item by item, so that models can be compared on the same items."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU

from ama.checkpoint.whole_file import write_whole
from ama.errors import UserError
from ama.evaluation.scores import Score

KINDS = ("mean", "bleu")
_ORDERS = 4
_DRAWS = 1000


@dataclass(frozen=True)
class Items:
    """The items behind a number, in the order of the data set.

    Attributes:
        kind: how the number comes of them: `mean` of one column; `bleu`, corpus BLEU of the columns system
            length, reference length, four counts of matching n-grams and four of all n-grams.
        rows: a row of 1 (`mean`) or 10 (`bleu`) numbers for each item.
    """

    kind: str
    rows: tuple[tuple[float, ...], ...]

    def values(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the number for each of several weightings of the items, as the bootstrap draws them.

        Args:
            weights: how often each item is drawn, shape (draws, items), each row of sum > 0.

        Returns:
            Shape (draws,), in the unit of the rows; BLEU in percent.
        """
        totals = weights @ np.asarray(self.rows, dtype=np.float64)
        if self.kind == "mean":
            return np.asarray(totals[:, 0] / weights.sum(axis=1), dtype=np.float64)
        return np.array([_bleu(row) for row in totals.tolist()])

    def stderr(self) -> float | None:
        """Return the standard error of the number: in closed form for a mean, by the bootstrap for BLEU.

        Returns:
            None for a single item.
        """
        count = len(self.rows)
        if count == 1:
            return None
        if self.kind == "mean":
            return float(np.std([row[0] for row in self.rows], ddof=1) / np.sqrt(count))
        draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=_DRAWS)
        return float(np.std(self.values(draws.astype(np.float64)), ddof=1))


def _bleu(row: list[float]) -> float:
    system, reference, *counts = map(round, row)
    correct, total = counts[:_ORDERS], counts[_ORDERS:]
    # Smoothed as corpus BLEU is by default.
    return float(BLEU.compute_bleu(correct, total, system, reference, smooth_method="exp").score)


def mean_items(values: Iterable[float]) -> Items:
    """Return the items of a mean over values, one for each item."""
    return Items("mean", tuple((float(value),) for value in values))


def bleu_items(replies: list[str], references: list[str]) -> Items:
    """Return what corpus BLEU (sacrebleu's defaults) sums over sentences.

    Args:
        replies: a translation for each sentence.
        references: one reference for each.
    """
    metric = BLEU(effective_order=True)
    scores = [
        metric.sentence_score(*pair) for pair in zip(replies, [[text] for text in references], strict=True)
    ]
    rows = [(score.sys_len, score.ref_len, *score.counts, *score.totals) for score in scores]
    return Items("bleu", tuple(tuple(map(float, row)) for row in rows))


def items_path(scores: Path, score: Score) -> Path:
    """Return the file that has the items of a row of a file of scores: in a folder beside it."""
    name = sha256(json.dumps([*score.key, score.seed]).encode()).hexdigest()[:24]
    return scores.with_name(f"{scores.stem}_items") / f"{name}.json"


def write_items(scores: Path, score: Score, items: Items) -> None:
    """Write the items of a row; the file appears when it is whole."""
    text = json.dumps({"kind": items.kind, "rows": items.rows})
    write_whole(items_path(scores, score), [text])


def read_items(scores: Path, score: Score) -> Items | None:
    """Return the items of a row, None where none were kept.

    Raises:
        UserError: the file holds something else.
    """
    path = items_path(scores, score)
    try:
        held = json.loads(path.read_bytes())
        kind, rows = held["kind"], tuple(tuple(map(float, row)) for row in held["rows"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} holds no items of a score ({error!r}): delete it and measure again"
        ) from error
    if kind not in KINDS or not rows:
        raise UserError(f"{path} holds no items of a score (kind {kind!r}): delete it and measure again")
    return Items(kind, rows)
