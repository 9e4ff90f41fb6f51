"""Replies to compare with others: one to each prompt, from any file that holds such, and pairs of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ama.data.eval_sets.alpaca import KIND, read_outputs
from ama.data.lmflow import Instance, parse_json, read_lmflow, read_utf8
from ama.errors import UserError

_KINDS = ("text2text", KIND)
_SHOWN = 60


class Comparison(NamedTuple):
    """Two replies to one prompt.

    Attributes:
        prompt: an instruction, or a dialogue that ends in `###Assistant:`.
        reply: the one that is judged.
        reference: the one that it is compared with.
    """

    prompt: str
    reply: str
    reference: str


def read_replies(path: Path, name: str | None = None) -> dict[str, str]:
    """Read one reply to each prompt.

    Args:
        path: outputs of a model as AlpacaEval writes them (a list of `instruction` and `output`, .json or
            .jsonl), or LMFlow JSON, a file or folder: text2text, or instruction_to_outputs.
        name: which outputs of instruction_to_outputs to take; None if there are those of one model only.

    Returns:
        Replies by prompt, in the file's order.

    Raises:
        UserError: nothing there, another format, no outputs of that name, or a prompt that is blank or
            comes twice.
    """
    if path.is_file() and (path.suffix == ".jsonl" or _is_list(path)):
        replies = {prompt: str(row["output"]) for prompt, row in read_outputs(path).items()}
    else:
        replies = _lmflow_replies(path, name)
    for number, prompt in enumerate(replies):
        if not prompt.strip():
            raise UserError(f"{path}: reply {number} has a blank prompt: drop it")
    return replies


def _lmflow_replies(path: Path, name: str | None) -> dict[str, str]:
    replies: dict[str, str] = {}
    for instance in read_lmflow(path, _KINDS):
        prompt, reply = _texts(instance, name)
        if prompt in replies:
            raise UserError(f"{instance.place}: its prompt has come before: keep one reply to each prompt")
        replies[prompt] = reply
    return replies


def _is_list(path: Path) -> bool:
    return isinstance(parse_json(read_utf8(path), str(path)), list)


def _texts(instance: Instance, name: str | None) -> tuple[str, str]:
    if instance.kind != KIND:
        prompt, reply = instance.texts
        return prompt, reply
    outputs = instance.fields["outputs"]
    if name is None and len(outputs) == 1:
        (name,) = outputs
    if name not in outputs:
        asked = "say whose" if name is None else f"there are none of {name}"
        raise UserError(f"{instance.place}: has outputs of {', '.join(outputs)}: {asked}")
    return instance.texts[0], outputs[name]


def check_references(prompts: Sequence[str], references: Mapping[str, str], label: str) -> None:
    """Check that each prompt has a reference; there may be more of them.

    Args:
        prompts: to reply to.
        references: by prompt.
        label: where the references are from.

    Raises:
        UserError: one has none, or all references are blank.
    """
    lost = [prompt for prompt in prompts if prompt not in references]
    if lost:
        raise UserError(
            f"{label} has no reference for {len(lost)} of {len(prompts)} prompts, the first "
            f"{lost[0][:_SHOWN]!r}: give the references of these prompts"
        )
    check_not_blank([references[prompt] for prompt in prompts], f"the references of {label}")


def check_not_blank(replies: Sequence[str], what: str) -> None:
    """Check that somebody has said something.

    Raises:
        UserError: all of the replies are blank, or there are none.
    """
    if not any(reply.strip() for reply in replies):
        raise UserError(
            f"{what} are empty, all {len(replies)} of them: check the file, or the model's end-of-text token "
            "and the form of its prompts"
        )
