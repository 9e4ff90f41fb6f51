"""The files beside the weights: configuration, tokenizer, chat template, code where the user trusts it."""

import json
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

from ama.averaging.plan import MergePlan

_CONFIGS = ("generation_config.json",)
_TOKENIZER = (
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "chat_template*",
    "additional_chat_templates",
)
_CODE = ("*.py",)


def copy_companions(plan: MergePlan, folder: Path, *, trust_remote_code: bool) -> list[str]:
    """Write config.json and copy what else a model needs from after, or from before where after has none.

    Args:
        plan: the merge.
        folder: where the weights lie.
        trust_remote_code: copy the models' Python files, which auto_map names in config.json, as well.

    Returns:
        Notes for the user.
    """
    (folder / "config.json").write_text(json.dumps(plan.config, indent=2) + "\n", encoding="utf-8")
    after, before = plan.after.folder, plan.before.folder
    _copy(after if _matching(after, _CONFIGS) else before, _CONFIGS, folder)
    notes = []
    if _matching(after, _TOKENIZER):
        _copy(after, _TOKENIZER, folder)
    elif _matching(before, _TOKENIZER):
        notes.append("after has no tokenizer: before's is copied")
        _copy(before, _TOKENIZER, folder)
    if trust_remote_code:
        _copy(after if _matching(after, _CODE) else before, _CODE, folder)
    elif "auto_map" in plan.config:
        notes.append(
            "config.json names code of its own (auto_map): copy it with --trust_remote_code if you trust it"
        )
    return notes


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if any(fnmatchcase(path.name, pattern) for pattern in patterns)
    )


def _copy(source: Path, patterns: tuple[str, ...], folder: Path) -> None:
    for path in _matching(source, patterns):
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copyfile(path, folder / path.name)
