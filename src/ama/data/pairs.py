"""Preference pairs, for reward models and DPO: a prompt with a preferred and a rejected reply."""

from dataclasses import dataclass
from pathlib import Path

from ama.data.lmflow import Instance, read_lmflow
from ama.errors import UserError

KIND = "paired_text_to_text"


@dataclass(frozen=True)
class Pair:
    """One comparison. Prompt and reply joined as they are give the whole text.

    Attributes:
        prompt: ends in `###Assistant:`.
        chosen: the preferred reply.
        rejected: the other one.
        margin: how much better chosen is, None if it is not known.
    """

    prompt: str
    chosen: str
    rejected: str
    margin: float | None = None


def read_pairs(path: Path) -> list[Pair]:
    """Read LMFlow JSON of type paired_text_to_text.

    Args:
        path: a file, or a folder whose *.json files are read in the order of their names.

    Raises:
        UserError: nothing there, no such JSON, an instance without its fields, with a blank one, or with two
            equal replies; names file, instance and field.
    """
    return [_pair(instance) for instance in read_lmflow(path, [KIND])]


def check_pair(instance: Instance) -> None:
    """Check that an instance is a comparison.

    Raises:
        UserError: a text is blank, or the replies are equal; names file, instance and field.
    """
    for name in ("prompt", "chosen", "rejected"):
        if not instance.fields[name].strip():
            raise UserError(f"{instance.place}: {name!r} is blank: drop the pair")
    if instance.fields["chosen"] == instance.fields["rejected"]:
        raise UserError(f"{instance.place}: 'chosen' and 'rejected' are equal: drop the pair")


def _pair(instance: Instance) -> Pair:
    check_pair(instance)
    prompt, chosen, rejected = instance.texts
    return Pair(prompt, chosen, rejected, instance.fields.get("margin"))
