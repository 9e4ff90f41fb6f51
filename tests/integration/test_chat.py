"""Prompts as chat templates put them: roles, the system prompt, one beginning-of-text token."""

from pathlib import Path

import pytest
from support.tiny import make_tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ama.errors import UserError
from ama.sampling.chat import marked, messages_of, templated

PLAIN = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }} {% endfor %}[assistant]"
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + PLAIN
DEAF = "{% for m in messages if m['role'] != 'system' %}[{{ m['role'] }}] {{ m['content'] }} {% endfor %}"
TALK = "###Human: a###Assistant: b###Human: c###Assistant:"


def _tokenizer(folder: Path, template: str) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(make_tokenizer(folder, template))


def test_sides_become_roles() -> None:
    user, assistant = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
    assert messages_of(TALK) == [user, assistant, {"role": "user", "content": "c"}]
    assert messages_of("Name a colour.\n") == [{"role": "user", "content": "Name a colour.\n"}]
    assert messages_of("###Human: a###Human: b###Assistant:") == [{"role": "user", "content": "a\nb"}]


def test_without_a_template_an_instruction_gets_our_marks() -> None:
    assert marked("Why?") == "###Human: Why?###Assistant:"
    assert marked(TALK) == TALK


def test_the_system_prompt_goes_where_the_template_has_a_place(tmp_path: Path) -> None:
    assert templated(_tokenizer(tmp_path / "plain", PLAIN), ["x"], "Be kind.") == [
        "[system] Be kind. [user] x [assistant]"
    ]
    for template, end in ((NO_SYSTEM, "[assistant]"), (DEAF, "")):
        tokenizer = _tokenizer(tmp_path / str(len(template)), template)
        assert templated(tokenizer, ["x"], "Be kind.") == [f"[user] Be kind.\n\nx {end}"]
        assert templated(tokenizer, ["x"]) == [f"[user] x {end}"]


def test_a_text_begins_once(tmp_path: Path) -> None:
    tokenizer = _tokenizer(tmp_path, "{{ bos_token }}" + PLAIN)
    assert templated(tokenizer, ["x"]) == ["<s>[user] x [assistant]"]
    backend = tokenizer.backend_tokenizer
    from tokenizers.processors import TemplateProcessing

    backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    assert templated(tokenizer, ["x"]) == ["[user] x [assistant]"]


@pytest.mark.parametrize(
    "prompt", ["###Human: a", "###Human: a###Assistant: b", "###Human: a###Assistant:b###Assistant:"]
)
def test_what_is_no_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(UserError, match="does not end in a question and ###Assistant:"):
        messages_of(prompt)


def test_a_broken_template_is_named(tmp_path: Path) -> None:
    tokenizer = _tokenizer(tmp_path, "{{ raise_exception('never') }}")
    with pytest.raises(UserError, match="does not take the prompt: never"):
        templated(tokenizer, ["x"])
