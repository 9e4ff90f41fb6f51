"""One file of HH-RLHF as pairs with the lengths of their prompts, kept on disk so that a rerun goes on."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import ama
from ama.checkpoint.staging import real_path
from ama.checkpoint.whole_file import write_whole
from ama.console import track_bytes
from ama.data.hh_rlhf.anthropic import Dropped, convert, read_comparisons
from ama.settings.data import CHARACTERS_PER_TOKEN

CountTokens = Callable[[list[str]], list[int]]


class Row(NamedTuple):
    """A pair and the length of its prompt in tokens."""

    prompt: str
    chosen: str
    rejected: str
    tokens: int


@dataclass(frozen=True)
class Part:
    """What came out of one file.

    Attributes:
        file: its name in Anthropic's layout, `helpful-base/train.jsonl.gz`.
        sha256: of the file.
        lines: comparisons in it.
        dropped: how many were left out, by reason.
        rows: the others, in their order.
    """

    file: str
    sha256: str
    lines: int
    dropped: Mapping[str, int]
    rows: list[Row]


def estimate_tokens(texts: list[str]) -> list[int]:
    """Return the length of each text in tokens where there is no tokenizer: characters / 4, rounded up."""
    return [-(-len(text) // CHARACTERS_PER_TOKEN) for text in texts]


def make_part(source: Path, file: str, work: Path, tokenizer: str, count_tokens: CountTokens) -> Part:
    """Read one file, or take what an earlier run that was cut short has made of it.

    Args:
        source: the file.
        file: its name in Anthropic's layout.
        work: folder in which the part is kept; it appears there when it is whole.
        tokenizer: what tells this way of counting tokens from others.
        count_tokens: gives the length of each text in tokens.

    Raises:
        UserError: the file can't be read; see `read_comparisons`.
    """
    content = source.read_bytes()
    digest = sha256(content).hexdigest()
    note = {"ama": ama.__version__, "sha256": digest, "tokenizer": tokenizer}
    kept = _place(work, file)
    part = _kept_part(kept, note)
    if part is None:
        part = _new_part(source, content, file, digest, count_tokens)
        write_whole(kept, [json.dumps({"note": note, "part": vars(part)})])
    return part


def work_of(target: Path) -> Path:
    """Return the folder beside the result in which parts are kept until it is whole."""
    place = real_path(target)
    return place.parent / f"{place.name}.work"


def drop_parts(work: Path, files: Iterable[str]) -> None:
    """Remove the parts of these files, and the folder if nothing else is in it."""
    for file in files:
        _place(work, file).unlink(missing_ok=True)
    with suppress(OSError):
        work.rmdir()


def _place(work: Path, file: str) -> Path:
    return work / f"{file.removesuffix('.jsonl.gz').replace('/', '-')}.json"


def _kept_part(path: Path, note: Mapping[str, str]) -> Part | None:
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_bytes())
    if content["note"] != note:
        return None
    fields = content["part"]
    return Part(**(fields | {"rows": [Row(*row) for row in fields["rows"]]}))


def _new_part(source: Path, content: bytes, file: str, digest: str, count_tokens: CountTokens) -> Part:
    pairs = []
    dropped: Counter[str] = Counter()
    lines = 0
    with track_bytes(f"reading {file}", len(content)) as advance:
        for chosen, rejected in read_comparisons(source, content, advance):
            lines += 1
            pair = convert(chosen, rejected)
            if isinstance(pair, Dropped):
                dropped[pair.value] += 1
            else:
                pairs.append(pair)
    tokens = count_tokens([pair.prompt for pair in pairs])
    rows = [Row(p.prompt, p.chosen, p.rejected, count) for p, count in zip(pairs, tokens, strict=True)]
    return Part(file, digest, lines, dict(sorted(dropped.items())), rows)
