"""Which dialogues of HH-RLHF train, test, and are held out: the same for each run with the same seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ama.data.dialogue import ASSISTANT
from ama.data.hh_rlhf.anthropic import SPLITS
from ama.data.hh_rlhf.part import Part, Row
from ama.settings.data import HHSplitSettings, Leak


@dataclass(frozen=True)
class Prompts:
    """Prompts to sample replies for, each once.

    Attributes:
        texts: the prompts.
        long: how many were left out since they are too long.
        repeated: how many were left out since they had come already.
    """

    texts: list[str]
    long: int
    repeated: int


@dataclass(frozen=True)
class SplitRows:
    """Rows by what they are for.

    Attributes:
        train: training rows.
        test: test rows that reward models may train on, as the paper's did.
        held_out: the other test rows.
        prompts: of the training rows, in their order.
        eval_prompts: of all test rows, in an order that the seed decides, dialogues of one opening together.
        leaked: test rows that were dropped since they share prompt or opening with a training row.
        notes: what was done about missing files.
    """

    train: list[Row]
    test: list[Row]
    held_out: list[Row]
    prompts: Prompts
    eval_prompts: Prompts
    leaked: int
    notes: list[str]

    @property
    def eval_halves(self) -> tuple[list[str], list[str]]:
        """The prompts to evaluate on, first and second half."""
        texts = self.eval_prompts.texts
        middle = -(-len(texts) // 2)
        return texts[:middle], texts[middle:]


def split_rows(parts: Mapping[tuple[str, str], Part], settings: HHSplitSettings) -> SplitRows:
    """Share out the rows.

    A share is drawn by the SHA-256 of seed and opening, the human's first turn: dialogues that begin alike
    lie on one side, whatever else is read.

    Args:
        parts: by subset and split, in the order in which their rows shall stand.
        settings: how.
    """
    train, test, notes = _train_and_test(parts, settings)
    seen = {_key(row, settings.leak) for row in train}
    clean = [row for row in test if _key(row, settings.leak) not in seen]
    held_out = [_share(row, "held out", settings.seed) < settings.held_out_share for row in clean]
    by_opening = sorted(clean, key=lambda row: (_share(row, "order", settings.seed), row.prompt))
    return SplitRows(
        train=train,
        test=[row for row, held in zip(clean, held_out, strict=True) if not held],
        held_out=[row for row, held in zip(clean, held_out, strict=True) if held],
        prompts=_prompts(train, settings.max_prompt_tokens),
        eval_prompts=_prompts(by_opening, settings.max_prompt_tokens),
        leaked=len(test) - len(clean),
        notes=notes,
    )


def _train_and_test(
    parts: Mapping[tuple[str, str], Part], settings: HHSplitSettings
) -> tuple[list[Row], list[Row], list[str]]:
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    notes = []
    for (subset, split), part in parts.items():
        (missing,) = {*SPLITS} - {split}
        if (subset, missing) in parts:
            rows[split] += part.rows
        elif settings.train_share is None:
            rows[split] += part.rows
            notes.append(
                f"{subset} has no {missing} file: its rows are {split} rows; --train_share splits them"
            )
        else:
            trains = [_share(row, "train", settings.seed) < settings.train_share for row in part.rows]
            rows["train"] += [row for row, is_train in zip(part.rows, trains, strict=True) if is_train]
            rows["test"] += [row for row, is_train in zip(part.rows, trains, strict=True) if not is_train]
            notes.append(
                f"{subset} has no {missing} file: {sum(trains)} of its {len(trains)} rows train, those of a "
                f"share of {settings.train_share} of the openings (seed {settings.seed})"
            )
    return rows["train"], rows["test"], notes


def _prompts(rows: Sequence[Row], longest: int) -> Prompts:
    fitting = [row.prompt for row in rows if row.tokens <= longest]
    texts = list(dict.fromkeys(fitting))
    return Prompts(texts, len(rows) - len(fitting), len(fitting) - len(texts))


def _key(row: Row, leak: Leak) -> str:
    """Return what two rows must not share, apart from case and spacing."""
    text = row.prompt if leak is Leak.PROMPT else row.prompt.partition(ASSISTANT)[0]
    return " ".join(text.replace("###", " ###").split()).casefold()


def _share(row: Row, purpose: str, seed: int) -> float:
    """Return a number in [0, 1) that the opening decides."""
    digest = sha256(f"{purpose} {seed} {_key(row, Leak.OPENING)}".encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56
