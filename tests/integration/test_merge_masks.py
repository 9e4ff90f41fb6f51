"""python -m ama.merge_masks: the released layout, other architectures, and files that are no masks."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from support.masking import LAYERS, MODULES, RAW, merge, released_mask, save_scene

from ama import interpolate
from ama.averaging.schedules.mask_alphas import read_mask
from ama.averaging.schedules.normalization import normalized_ratios
from ama.errors import UserError


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_scene(tmp_path_factory.mktemp("scene"))


def _save(folder: Path, content: Mapping[str, Any]) -> Path:
    torch.save(dict(content), folder / "mask_alphas.bin")
    return folder


def _schedule(out: Path) -> dict[str, Any]:
    schedule: dict[str, Any] = json.loads((out / "ama_merge.json").read_text())["schedule"]
    return schedule


def _ratios(epsilon: float, mean: float = 0.2) -> list[float]:
    return normalized_ratios(torch.stack([raw.detach() for raw in RAW]).double(), mean, epsilon).tolist()


def test_released_blocks(scene: Path, tmp_path: Path) -> None:
    schedule = _schedule(merge(scene, _save(tmp_path, released_mask()), tmp_path / "merged"))
    assert schedule["pivots"] == [0, 1]
    assert schedule["ratios"] == pytest.approx(_ratios(0.1))
    assert schedule["scope"] == "linear"


def test_released_without_epsilon_and_the_file_itself(scene: Path, tmp_path: Path) -> None:
    content = released_mask()
    del content["epsilon"], content["base_gammas"]
    schedule = _schedule(merge(scene, _save(tmp_path, content) / "mask_alphas.bin", tmp_path / "merged"))
    assert schedule["ratios"] == pytest.approx(_ratios(1e-6))


def test_released_head_is_a_block_of_its_own(scene: Path, tmp_path: Path) -> None:
    content = released_mask()
    head = torch.nn.Parameter(torch.tensor(0.5))
    content["mask_alphas"]["lm_head"] = content["mask_bkp_alphas"]["lm_head"] = head
    schedule = _schedule(merge(scene, _save(tmp_path, content), tmp_path / "merged"))
    ratios = normalized_ratios(torch.stack([*RAW, head]).detach().double(), 0.2, 0.1).tolist()
    assert [*schedule["ratios"], schedule["lm_head"]] == pytest.approx(ratios)


def test_released_linearwise(scene: Path, tmp_path: Path) -> None:
    content = released_mask()
    names = list(content["mask_alphas"])
    values = torch.linspace(-2, 1, len(names))
    content["mask_alphas"] = {name: values[i].clone() for i, name in enumerate(names)}
    content["mask_bkp_alphas"] = {}
    schedule = _schedule(merge(scene, _save(tmp_path, content), tmp_path / "merged"))
    expected = normalized_ratios(values.double(), 0.2, 0.1).tolist()
    assert list(schedule["modules"].values()) == pytest.approx(expected)
    assert list(schedule["modules"]) == names


def test_our_layout_is_the_released_one(tmp_path: Path) -> None:
    from support.masking import masked

    from ama.averaging.schedules.mask_alphas import write_mask
    from ama.ratios.learned_ratios import learned_mask

    _, ratios, blocks = masked("llama", "lblock3")
    write_mask(learned_mask(ratios, blocks), tmp_path, {})
    content = torch.load(tmp_path / "mask_alphas.bin", weights_only=True)
    assert {"mask_alphas", "mask_bkp_alphas", "init_val", "epsilon"} <= content.keys()
    assert len(content["mask_alphas"]) == LAYERS * len(MODULES) + 1
    assert all(value.shape == () for value in content["mask_alphas"].values())
    # Read without what we add, as a released file, it gives the same ratios.
    plain = {key: content[key] for key in ("mask_alphas", "mask_bkp_alphas", "init_val", "epsilon")}
    released = read_mask(_save(tmp_path, plain))
    assert released.schedule() == learned_mask(ratios, blocks).schedule()


def test_a_mask_is_a_schedule_of_interpolate(scene: Path, tmp_path: Path) -> None:
    masks = _save(tmp_path, released_mask())
    merged = merge(scene, masks, tmp_path / "merged", "--alpha", "0.3")
    command = [
        "ama.interpolate",
        "--before",
        str(scene / "before"),
        "--after",
        str(scene / "after"),
        "--schedule",
    ]
    command += [str(masks / "mask_alphas.bin"), "--alpha", "0.3", "--out", str(tmp_path / "interpolated")]
    with patch.object(sys, "argv", command):
        assert interpolate.main() == 0
    files = [folder / "model.safetensors" for folder in (merged, tmp_path / "interpolated")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert _schedule(merged)["ratios"] == pytest.approx(_ratios(0.1, 0.3))
    command[-1] = str(tmp_path / "m_split|1#2|.1|.2|.3")
    with patch.object(sys, "argv", command), pytest.raises(UserError, match="disagree: drop one of them"):
        interpolate.main()


class _Malice:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch malice",)


def _without(key: str) -> dict[str, Any]:
    return {name: value for name, value in released_mask().items() if name != key}


def _only(names: Callable[[str], bool]) -> dict[str, Any]:
    content = released_mask()
    return {**content, "mask_alphas": {n: v for n, v in content["mask_alphas"].items() if names(n)}}


OTHER = "the mask is of another model: "
BAD: dict[str, tuple[Any, str]] = {
    "more layers": (
        released_mask(LAYERS + 1),
        OTHER + "it has a ratio for 'model.layers.4.self_attn.q_proj', which",
    ),
    "fewer layers": (released_mask(LAYERS - 1), OTHER + "it has no ratio for 'model.layers.3."),
    "a module missing": (
        _only(lambda name: "down" not in name),
        OTHER + "it has no ratio for 'model.layers.0.mlp.d",
    ),
    "malicious pickle": (
        {**released_mask(), "note": _Malice()},
        "holds more than tensors and numbers, or is damaged",
    ),
    "no dictionary": ([1, 2], "is not in the layout of learned ratios"),
    "no alphas": (_without("mask_alphas"), "it lacks mask_alphas"),
    "no mean": (_without("init_val"), "it lacks init_val"),
    "empty": ({**released_mask(), "mask_alphas": {}}, "it holds no ratio"),
    "negative epsilon": ({**released_mask(), "epsilon": -1.0}, "epsilon -1.0 or a raw ratio is out of range"),
    "approach": ({**released_mask(), "approach": "x"}, "'x' is not a valid Approach"),
    "vector": (
        {**released_mask(), "mask_bkp_alphas": {0: torch.ones(2)}},
        "is not in the layout of learned ratios",
    ),
    "not finite": (
        {**_without("mask_alphas"), "mask_alphas": {"a": torch.tensor(float("nan"))}, "mask_bkp_alphas": {}},
        "a raw ratio is out of range",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_does_not_fit_is_one_line(
    scene: Path, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, message = BAD[case]
    torch.save(content, tmp_path / "mask_alphas.bin")
    with pytest.raises(UserError) as caught:
        merge(scene, tmp_path, tmp_path / "merged")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "merged").exists()
    assert not (tmp_path / "malice").exists()


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_damaged_file_is_one_line(scene: Path, tmp_path: Path, content: bytes | None) -> None:
    file = _save(tmp_path, released_mask()) / "mask_alphas.bin"
    file.write_bytes(file.read_bytes()[:700] if content is None else content)
    with pytest.raises(UserError, match=r"mask_alphas.bin (is truncated|holds more than)"):
        merge(scene, tmp_path, tmp_path / "merged")


def test_a_missing_file(scene: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is missing: give mask_alphas\.bin or its folder"):
        merge(scene, tmp_path, tmp_path / "merged")
