"""Prompts in the form that a model was trained on: its chat template, else `###Human: ...###Assistant:`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from ama.data.dialogue import ASSISTANT, HUMAN, split_turns
from ama.errors import UserError

Message = dict[str, str]
_ROLES = {HUMAN: "user", ASSISTANT: "assistant"}


def is_dialogue(prompt: str) -> bool:
    """Tell whether a prompt is a dialogue in our marks; otherwise it is an instruction."""
    return prompt.startswith(HUMAN)


def messages_of(prompt: str) -> list[Message]:
    """Return what has been said as messages of the roles user and assistant, each side in turn.

    Args:
        prompt: an instruction, which is one message, or a dialogue that ends in `###Assistant:`.

    Raises:
        UserError: a dialogue does not end in a question and the mark.
    """
    if not is_dialogue(prompt):
        return [{"role": "user", "content": prompt}]
    *turns, last = split_turns(prompt)
    if last.mark != ASSISTANT or last.text.strip() or not turns or turns[-1].mark != HUMAN:
        raise UserError(
            f"the dialogue {prompt[-40:]!r} does not end in a question and {ASSISTANT}: give a prompt"
        )
    messages: list[Message] = []
    for turn in turns:
        role, said = _ROLES[turn.mark], turn.text.strip()
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n{said}"
        else:
            messages.append({"role": role, "content": said})
    return messages


def marked(prompt: str) -> str:
    """Return an instruction as a dialogue in our marks; a dialogue comes back as it is."""
    return prompt if is_dialogue(prompt) else f"{HUMAN} {prompt}{ASSISTANT}"


def templated(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], system: str = "") -> list[str]:
    """Return prompts as the model's chat template puts them, up to where the reply begins.

    A template without a place for the system prompt gets it before the user's first message.

    Args:
        tokenizer: has a chat template.
        prompts: instructions or dialogues, see `messages_of`.
        system: the system prompt; empty for none.

    Raises:
        UserError: the template does not take the messages, or as `messages_of`.
    """
    conversations = [messages_of(prompt) for prompt in prompts]
    if system and _takes_system(tokenizer):
        conversations = [[{"role": "system", "content": system}, *talk] for talk in conversations]
    elif system:
        conversations = [_with_system(system, talk) for talk in conversations]
    texts = [_rendered(tokenizer, talk) for talk in conversations]
    # The tokenizer adds the beginning-of-text token once more where it adds one to every text.
    start = tokenizer.bos_token
    doubled = start and tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]
    return [text.removeprefix(str(start)) for text in texts] if doubled else texts


def _with_system(system: str, talk: Sequence[Message]) -> list[Message]:
    first, *rest = talk
    return [{**first, "content": f"{system}\n\n{first['content']}"}, *rest]


def _takes_system(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Tell whether the template neither refuses a system message nor leaves it out."""
    mark = "SYSTEM PROMPT"
    try:
        return mark in _rendered(
            tokenizer, [{"role": "system", "content": mark}, {"role": "user", "content": "x"}]
        )
    except UserError:
        return False


def _rendered(tokenizer: PreTrainedTokenizerBase, talk: list[Message]) -> str:
    apply: Any = tokenizer.apply_chat_template
    try:
        return str(apply(talk, tokenize=False, add_generation_prompt=True))
    except (TemplateError, ValueError) as error:
        raise UserError(
            f"the chat template of {tokenizer.name_or_path} does not take the prompt: {error}"
        ) from error
