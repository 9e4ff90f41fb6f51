"""ama.planning: the estimates by hand, and what a command itself reads on its line."""

import pytest

from ama.console.commands import names
from ama.errors import UserError
from ama.planning.launched import read_line
from ama.planning.needs import (
    OVERHEAD,
    Estimate,
    Training,
    activations,
    checkpoint,
    sampling,
    scoring,
    trained_model,
)
from ama.planning.stage_needs import ESTIMATES, needs_of
from ama.settings.measures import PairrmSettings, RewardSettings
from ama.settings.planning import ModelSize
from ama.settings.sampling import SamplingSettings

MODEL = ModelSize(params=7e9, layers=32, hidden=4096, vocab=32000, key_width=1024)
ALONE = Training(processes=1, zero_stage=None, half=True, sequences=1, tokens=2048)
DEEPSPEED = "deepspeed --num_gpus 8 --no_local_rank --module"
ZERO3 = "--deepspeed configs/ds_config_zero3.json"
# What each command can't do without.
NEEDED = {
    **dict.fromkeys(("train_sft", "train_reward", "train_dpo"), "--model m --data d --out o"),
    **dict.fromkeys(("train_raft", "train_ppo"), "--model m --reward_model r --prompts p --out o"),
    "collect_samples": "--model m --prompts p --out o.json",
    "optimize_masks": "--before b --after a --data d --out o",
    **dict.fromkeys(("interpolate", "pareto"), "--before b --after a --out o"),
    "merge_masks": "--before b --after a --masks m --out o",
    "evaluate_harness": "--models m --scores s",
    "evaluate_opencompass": "--models m --scores s --eval_data e",
    "evaluate_reward": "--models m --scores s --reward_model r --prompts p",
    "evaluate_pairrm": "--models m --scores s --references r",
    "evaluate_loss": "--models m --scores s --data t=t.txt",
    **dict.fromkeys(("prepare_hh_rlhf", "prepare_alpaca_eval", "prepare_smollm2"), "o"),
    "build_eval_data": "--out o",
}


def needs(command: str, *options: str, launcher: str = "python -m") -> Estimate:
    """Return the needs of a command with what it can't do without and further options."""
    return needs_of(" ".join([f"{launcher} ama.{command}", NEEDED[command], *options]), MODEL)[1]


@pytest.mark.parametrize(
    ("stage", "half", "bytes_of_a_parameter"),
    [
        (None, True, 16),
        (None, False, 16),
        (0, True, 16),
        (2, True, 2 + 14 / 8),
        (2, False, 4 + 12 / 8),
        (3, True, 16 / 8),
        (3, False, 16 / 8),
    ],
)
def test_states_of_a_trained_model(stage: int | None, half: bool, bytes_of_a_parameter: float) -> None:
    how = Training(processes=8, zero_stage=stage, half=half, sequences=1, tokens=1)
    assert trained_model(MODEL, how) == pytest.approx(7e9 * bytes_of_a_parameter)


def test_adapters_need_little_but_the_weights() -> None:
    how = Training(processes=1, zero_stage=None, half=True, sequences=1, tokens=1, lora_rank=16)
    assert 7e9 * 4 < trained_model(MODEL, how) < 7e9 * 4.2
    assert checkpoint(MODEL, how) < 1e9


def test_activations() -> None:
    layer = 17 * 2048 * 4096 * 2
    logits = 2048 * 32000 * 10
    assert activations(MODEL, ALONE) == 32 * layer + logits
    assert activations(MODEL, ALONE, language=False) == 32 * layer
    again = Training(1, None, half=True, sequences=1, tokens=2048, recompute=True)
    assert activations(MODEL, again) == layer + 32 * 2048 * 4096 * 2 + logits


def test_sampling_holds_weights_and_cache() -> None:
    cache = 64 * 384 * 2 * 32 * 1024 * 2
    assert sampling(MODEL, 64, 384) == 14e9 + cache + 64 * 32000 * 8


def test_a_training_under_zero3() -> None:
    found = needs(
        "train_sft", ZERO3, "--bf16 --batch 16 --micro_batch 1 --block_size 2048", launcher=DEEPSPEED
    )
    how = Training(8, 3, half=True, sequences=1, tokens=2048)
    assert found.memory == pytest.approx(7e9 * 16 / 8 + activations(MODEL, how) + OVERHEAD)
    assert (found.kept, found.during) == (14e9, 2 * 7e9 * 14)
    assert needs_of(f"{DEEPSPEED} ama.train_sft {ZERO3} {NEEDED['train_sft']} --batch 8", MODEL)[0] == 8


def test_more_processes_and_stages_need_less() -> None:
    zero3 = f"{ZERO3} --batch 32 --bf16"
    found = [
        needs("train_sft", "--batch 32 --bf16"),
        needs("train_sft", "--batch 32 --bf16 --deepspeed x/ds_config_zero2.json", launcher=DEEPSPEED),
        needs("train_sft", zero3, launcher=DEEPSPEED),
        needs("train_sft", zero3, "--gradient_checkpointing", launcher=DEEPSPEED),
        needs("train_sft", zero3, "--gradient_checkpointing --micro_batch 1", launcher=DEEPSPEED),
    ]
    memory = [stage.memory for stage in found]
    assert memory == sorted(memory, reverse=True)
    assert len(set(memory)) == 5


def test_other_models_of_a_stage() -> None:
    sft = needs("train_sft", "--batch 8 --micro_batch 1 --block_size 512").memory
    assert needs("train_dpo", "--batch 8 --micro_batch 1 --max_length 512").memory - sft > 7e9 * 4
    assert needs("train_ppo", "--batch 8").memory > 2 * 7e9 * 16 + 2 * 7e9 * 4
    alone = needs("collect_samples").memory
    assert needs("collect_samples", "--reward_model r").memory == alone + 14e9
    assert 28e9 < needs("optimize_masks", "--bf16").memory < 40e9


def test_raft_keeps_every_iteration() -> None:
    assert needs("train_raft", "--iterations 4").kept == 4 * 14e9


def test_a_front_holds_three_models_and_the_largest_of_its_measures() -> None:
    measures = {
        "harness --tasks piqa --batch_size 4 ": needs("evaluate_harness", "--batch_size 4"),
        "reward --reward_model r --prompts p --sample_batch 256": needs(
            "evaluate_reward", "--sample_batch 256"
        ),
        "pairrm --references r": needs("evaluate_pairrm"),
        "loss --data t=t.txt --batch 32": needs("evaluate_loss", "--batch 32"),
    }
    memory = [stage.memory for stage in measures.values()]
    assert len(set(memory)) == 4
    words = [f"--measure '{measure}'" for measure in measures]
    for measure, alone in zip(words, memory, strict=True):
        assert needs("pareto", measure).memory == alone + 28e9
    # Each has its own options; which comes last makes no difference.
    for order in (words, words[::-1]):
        assert needs("pareto", *order).memory == max(memory) + 28e9


def test_merges_and_unknown_commands_need_no_gpu() -> None:
    assert needs("interpolate", "--out 'a|b'").memory == 0
    assert needs_of("hf download org/model", MODEL)[1].kept == 14e9
    assert needs_of("true", MODEL) == (1, (0, 0, 0))


@pytest.mark.parametrize(
    ("line", "command", "processes", "words"),
    [
        ("torchrun --nproc_per_node 4 -m ama.pareto --out 'a b' -x=1", "pareto", 4, ["--out", "a b", "-x=1"]),
        (f"{DEEPSPEED} ama.train_sft --num_gpus 3", "train_sft", 8, ["--num_gpus", "3"]),
        ("accelerate launch --num_processes=2 -m ama.train_dpo", "train_dpo", 2, []),
        ("torchrun --standalone --nproc-per-node=2 -m ama.train_dpo", "train_dpo", 2, []),
        ("mpirun -np 3 python -m ama.interpolate --alpha 0", "interpolate", 3, ["--alpha", "0"]),
        ("/venv/bin/ama show_scores a", "show_scores", 1, ["a"]),
        ("python -m ama.nothing -n 2", "", 1, []),
        ("bash data/download.sh eval", "", 1, []),
    ],
)
def test_a_line_is_taken_apart(line: str, command: str, processes: int, words: list[str]) -> None:
    found = read_line(line)
    assert (found.command, found.processes, list(found.words)) == (command, processes, words)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("python 'x", "can't be read: No closing quotation"),
        (
            f"{DEEPSPEED} ama.train_sft {ZERO3} --model m --data d --out o --batch 12",
            "--batch 12 can't be shared by 8 processes: set num_gpus to a number that divides it",
        ),
        ("python -m ama.train_sft --model m --data d --out o --block_size x", "--block_size: 'x' is not"),
        ("python -m ama.train_sft --model m --data d --out o --blok_size 2", "did you mean --block_size?"),
        ("python -m ama.train_sft --data d --out o", "--model is missing"),
        ("torchrun --nproc_per_node none -m ama.train_sft", "--nproc_per_node 'none' is no number of"),
        ("python -m ama.pareto --before b --after a --out o --measure 'loss --dat x'", "option --dat"),
    ],
)
def test_mistakes(line: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        needs_of(line, MODEL)
    assert message in str(caught.value)


def test_the_defaults_are_those_of_the_commands() -> None:
    sampling_defaults = SamplingSettings()
    tokens = RewardSettings.max_prompt_tokens + RewardSettings.max_new_tokens
    replies = sampling(MODEL, sampling_defaults.sample_batch, tokens)
    assert needs("evaluate_reward").memory == replies + 14e9 + OVERHEAD
    assert PairrmSettings.max_new_tokens == 300
    longer = needs("evaluate_pairrm", "--max_new_tokens 300", "--max_prompt_tokens 256")
    assert needs("evaluate_pairrm") == longer
    assert needs("evaluate_loss").memory == scoring(MODEL, 8, 512) + OVERHEAD
    assert needs("train_sft") == needs("train_sft", "--block_size 2048 --micro_batch 4 --batch 12")


@pytest.mark.parametrize("command", ESTIMATES)
def test_every_estimate_is_of_a_command(command: str) -> None:
    assert command in names()
    assert needs(command).kept > 0
