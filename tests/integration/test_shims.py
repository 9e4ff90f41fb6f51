"""When a shim can go: transformers has the attribute again, or the harness no longer uses it."""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.pairrm import blender, save_pairrms
from transformers import AutoModel

from ama.evaluation.measures.shims import SHIMS, Shim, load_base_in_float32

NEEDS = [(shim, user) for shim in SHIMS for user in shim.needed_by]


@pytest.mark.parametrize(("shim", "user"), NEEDS, ids=lambda one: getattr(one, "name", one))
def test_a_shim_is_still_needed(shim: Shim, user: str) -> None:
    name, _, version = user.partition("==")
    found = distribution(name)
    assert found.version == version, f"look whether {name} {found.version} still uses {shim.name}"
    sources = [file.locate() for file in found.files or [] if file.suffix == ".py"]
    uses = [path for path in sources if shim.name in path.read_text(encoding="utf-8", errors="replace")]
    assert uses, f"{user} no longer uses {shim.name}: remove the shim"


def test_transformers_lacks_what_shims_put_back() -> None:
    # In a process of its own: another test may have put them back in this one.
    code = (
        "from ama.evaluation.measures.shims import SHIMS, apply_shims\n"
        "assert all(shim.is_missing() for shim in SHIMS), [s.name for s in SHIMS if not s.is_missing()]\n"
        "apply_shims('opencompass')\n"
        "assert [s.name for s in SHIMS if s.is_missing()] == ['TRANSFORMERS_CACHE']\n"
        "apply_shims('llm-blender')\n"
        "assert not [s.name for s in SHIMS if s.is_missing()]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"transformers has it again, remove the shim: {done.stderr}"


def test_pairrm_keeps_its_float32_on_a_base_in_half_precision(tmp_path: Path) -> None:
    judges = save_pairrms(tmp_path, torch.float16)
    assert AutoModel.from_pretrained(judges / "base").dtype == torch.float16, (
        "transformers loads in float32 again: remove load_base_in_float32"
    )
    load_base_in_float32()
    stored = load_file(judges / "PairRM" / "model.safetensors")
    loaded = blender(judges).ranker.state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in stored.items())
