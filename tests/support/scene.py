"""A pair of models in a folder of its own, the command that shall average them, and ways to spoil either."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@dataclass
class Scene:
    """The folder, and what to give to ama.interpolate, which is to be run in it."""

    folder: Path
    before: str = "before"
    after: str = "after"
    out: str = "out"
    arguments: list[str] = field(default_factory=lambda: ["--alpha", "0.3"])

    @property
    def command(self) -> list[str]:
        places = ("--before", self.before, "--after", self.after, "--out", self.out)
        return [*places, *self.arguments]

    def files(self) -> dict[str, bytes | str | None]:
        """Return all that lies in the folder: bytes of files, targets of links, None for folders."""
        return {str(path.relative_to(self.folder)): _content(path) for path in self.folder.rglob("*")}


Change = Callable[[Scene], Any]


def weights(change: Callable[[bytes], bytes]) -> Change:
    """Change the bytes of after's weight file."""

    def apply(scene: Scene) -> None:
        path = scene.folder / "after" / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return apply


def header(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Change the header of after's weight file in place, or return other bytes for it."""

    def other_header(data: bytes) -> bytes:
        end = 8 + int.from_bytes(data[:8], "little")
        entries = json.loads(data[8:end])
        text = change(entries)
        text = text if isinstance(text, bytes) else json.dumps(entries).encode()
        return len(text).to_bytes(8, "little") + text + data[end:]

    return weights(other_header)


def tensors(change: Callable[[dict[str, torch.Tensor]], Any], model: str = "after") -> Change:
    """Change a model's tensors in place."""

    def apply(scene: Scene) -> None:
        path = scene.folder / model / "model.safetensors"
        state = load_file(path)
        change(state)
        path.unlink()
        save_file(state, path, {"format": "pt"})

    return apply


def sharded(change: Callable[[dict[str, Any]], Any] = lambda index: None) -> Change:
    """Split after's weights into two files, and change their index in place."""

    def apply(scene: Scene) -> None:
        path = scene.folder / "after" / "model.safetensors"
        state = load_file(path)
        path.unlink()
        parts = {shard: dict(list(state.items())[number::2]) for number, shard in enumerate(SHARDS)}
        for shard, part in parts.items():
            save_file(part, path.with_name(shard), {"format": "pt"})
        weight_map = {name: shard for shard, part in parts.items() for name in part}
        index: dict[str, Any] = {"metadata": {}, "weight_map": weight_map}
        change(index)
        path.with_name("model.safetensors.index.json").write_text(json.dumps(index))

    return apply


def as_bin(save: Callable[[dict[str, torch.Tensor], Path], Any]) -> Change:
    """Save after's weights as pytorch_model.bin in some way."""

    def apply(scene: Scene) -> None:
        path = scene.folder / "after" / "model.safetensors"
        save(load_file(path), path.with_name("pytorch_model.bin"))
        path.unlink()

    return apply


def as_adapter(model: str, **settings: Any) -> Change:
    """Put a LoRA adapter in the place of a model."""

    def apply(scene: Scene) -> None:
        folder = scene.folder / model
        for path in folder.iterdir():
            path.unlink()
        content = {"peft_type": "LORA", "lora_alpha": 8, "r": 2, **settings}
        (folder / "adapter_config.json").write_text(json.dumps(content))
        prefix = "base_model.model.model.layers.1.self_attn.q_proj.lora_"
        factors = {f"{prefix}A.weight": torch.ones(2, 32), f"{prefix}B.weight": torch.ones(32, 2)}
        save_file(factors, folder / "adapter_model.safetensors", {"format": "pt"})

    return apply


def config(*models: str, **values: Any) -> Change:
    """Set entries of the models' config.json."""

    def apply(scene: Scene) -> None:
        for model in models:
            path = scene.folder / model / "config.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return apply


def file(name: str, content: str | bytes) -> Change:
    """Write a file."""
    data = content.encode() if isinstance(content, str) else content
    return lambda scene: (scene.folder / name).write_bytes(data)


def folder(name: str) -> Change:
    """Make a folder, in place of a file where there is one."""

    def apply(scene: Scene) -> None:
        lost(name)(scene)
        (scene.folder / name).mkdir()

    return apply


def link(name: str, target: str) -> Change:
    """Make a symbolic link, in place of a file where there is one."""

    def apply(scene: Scene) -> None:
        lost(name)(scene)
        (scene.folder / name).symlink_to(target)

    return apply


def lost(name: str) -> Change:
    """Remove a file."""
    return lambda scene: (scene.folder / name).unlink(missing_ok=True)


def given(*arguments: str) -> Change:
    """Give these arguments in place of --alpha 0.3."""
    return lambda scene: setattr(scene, "arguments", list(arguments))


def also(*arguments: str) -> Change:
    """Give these arguments too."""
    return lambda scene: scene.arguments.extend(arguments)


def schedule(text: str, *arguments: str) -> Change:
    """Give a schedule file, and other arguments in place of --alpha 0.3."""
    return all_of(file("schedule.yaml", text), given(*arguments, "--schedule", "schedule.yaml"))


def place(**places: str) -> Change:
    """Give other paths as before, after or out."""

    def apply(scene: Scene) -> None:
        for name, value in places.items():
            setattr(scene, name, value)

    return apply


def all_of(*changes: Change) -> Change:
    """Make several changes, one after the other."""

    def apply(scene: Scene) -> None:
        for change in changes:
            change(scene)

    return apply


def _content(path: Path) -> bytes | str | None:
    if path.is_symlink():
        return os.readlink(path)
    return path.read_bytes() if path.is_file() else None
