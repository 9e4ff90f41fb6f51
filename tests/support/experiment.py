"""Run a recipe of scripts/reproduce in a copy of what a user has, on tiny models and data."""

import json
import shutil
import subprocess
from pathlib import Path

from transformers import MistralConfig, MistralForCausalLM

from support import warm
from support.eval_rows import eval_source, write_lines
from support.evaluating import save_byte_tokenizer
from support.hh import whole_source
from support.tiny import LLAMA, llama, scatter

ROOT = Path(__file__).parents[2]
# Bytes, the end of the text, and padding apart from it, which PPO needs.
_SIZES = {"vocab_size": 258, "max_position_embeddings": 1024, "eos_token_id": 256, "pad_token_id": 257}
SIZE = "30e3 4 32 258 16"
# Small settings of every stage; what a recipe has no use for does no harm.
SETTINGS = {
    "num_gpus": "1",
    "zero_stage": "",
    "block_size": "64",
    "general_batch": "4",
    "sft_batch": "4",
    "reward_sft_epochs": "1",
    "reward_batch": "4",
    "pair_length": "128",
    "rlhf_batch": "4",
    "train_arguments": "--max_steps 1 --micro_batch 4",
    "raft_arguments": "--max_steps 1 --micro_batch 4",
    "raft_iterations": "1",
    "raft_prompts": "8",
    "raft_samples": "4",
    "ppo_arguments": "--sample_batch 4",
    "ppo_rollouts": "4",
    "ppo_rounds": "1",
    "max_new_tokens": "12",
    "collect_prompts": "8",
    "alpha": "0.2",
    "ratios": "0.5",
    "part_wise": "split|1#2|0.4|0|0@0",
    "mask_means": "0.2",
    "mask_arguments": "--max_steps 1 --block_size 32",
    "mask_zero_stage": "",
    "common_sense": "piqa",
    "limit": "2",
    "reward_prompts": "4",
    "eval_new_tokens": "8",
    "pairrm_new_tokens": "8",
    "eval_batch": "4",
    "model_size": SIZE,
}


def make_home(folder: Path) -> Path:
    """Copy the recipes, write sources of all data sets, and return the folder."""
    for name in ("scripts", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data").mkdir()
    shutil.copy(ROOT / "data" / "download.sh", folder / "data")
    whole_source(folder / "sources" / "hh", train=12, test=12)
    eval_source(folder / "sources" / "eval")
    prompts = [{"instruction": f"Name a colour, {number}.", "output": "Blue."} for number in range(4)]
    write_lines(folder / "sources" / "alpaca" / "alpaca_eval.jsonl", prompts)
    outputs = folder / "sources" / "alpaca" / "model_outputs" / "gpt4_1106_preview.json"
    outputs.parent.mkdir()
    outputs.write_text(json.dumps(prompts))
    return folder


def make_llama_of_bytes(folder: Path, seed: int) -> Path:
    """Save a tiny Llama that reads any text, and return the folder."""
    llama(seed, **_SIZES).save_pretrained(folder)
    return save_byte_tokenizer(folder, pad="<pad>")


def make_mistral_of_bytes(folder: Path, seed: int) -> Path:
    """Save a tiny Mistral that reads any text, with a chat template, and return the folder."""
    scatter(MistralForCausalLM(MistralConfig(**{**LLAMA, **_SIZES})), seed).save_pretrained(folder)
    return save_byte_tokenizer(folder, pad="<pad>", chat=True)


def run_recipe(home: Path, name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/reproduce/NAME.sh in `home` with SETTINGS, of which `settings` change or add some."""
    sources = {"HH_RLHF_SOURCE": "hh", "EVAL_SOURCE": "eval", "ALPACA_EVAL_SOURCE": "alpaca"}
    local = {key: str(home / "sources" / folder) for key, folder in sources.items()}
    return subprocess.run(
        ["bash", f"scripts/reproduce/{name}.sh", *arguments],
        cwd=home,
        env=warm.variables(**{**local, **SETTINGS, **settings}),
        capture_output=True,
        text=True,
        check=False,
    )
