"""ama.planning: the estimates by hand, and what is read off a command line."""

from importlib.util import find_spec

import pytest

from ama.console import Parser
from ama.errors import UserError
from ama.planning.launched import read_line
from ama.planning.needs import OVERHEAD, ModelSize, Training, activations, checkpoint, sampling, trained_model
from ama.planning.stage_needs import ESTIMATES, needs_of
from ama.sampling.options import add_prompt_limit, add_sampling
from ama.settings.training import SFT

MODEL = ModelSize(parameters=7e9, layers=32, hidden=4096, vocabulary=32000, key_width=1024)
ALONE = Training(processes=1, zero_stage=None, half=True, sequences=1, tokens=2048)
ZERO3 = (
    "deepspeed --num_gpus 8 --no_local_rank --module ama.train_sft --deepspeed configs/ds_config_zero3.json"
)


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
    needs = needs_of(f"{ZERO3} --bf16 --batch 16 --micro_batch 1 --block_size 2048", MODEL)
    how = Training(8, 3, half=True, sequences=1, tokens=2048)
    assert needs.memory == pytest.approx(7e9 * 16 / 8 + activations(MODEL, how) + OVERHEAD)
    assert (needs.processes, needs.kept, needs.during) == (8, 14e9, 2 * 7e9 * 14)


def test_more_processes_and_stages_need_less() -> None:
    memory = [
        needs_of(command, MODEL).memory
        for command in (
            "python -m ama.train_sft --bf16",
            "deepspeed --num_gpus 8 --module ama.train_sft --bf16 --deepspeed x/ds_config_zero2.json",
            f"{ZERO3} --bf16",
            f"{ZERO3} --bf16 --gradient_checkpointing",
            f"{ZERO3} --bf16 --gradient_checkpointing --micro_batch 1",
        )
    ]
    assert memory == sorted(memory, reverse=True)
    assert len(set(memory)) == 5


def test_other_models_of_a_stage() -> None:
    def memory(module: str, *options: str) -> float:
        line = ["python", "-m", f"ama.{module}", "--batch 8 --micro_batch 1 --block_size 512", *options]
        return needs_of(" ".join(line), MODEL).memory

    assert memory("train_dpo") - memory("train_sft") > 7e9 * 4
    assert memory("train_ppo") > 2 * 7e9 * 16 + 2 * 7e9 * 4
    assert memory("collect_samples", "--reward_model r") == memory("collect_samples") + 14e9
    assert 28e9 < memory("optimize_masks", "--bf16") < 40e9


def test_raft_keeps_every_iteration() -> None:
    assert needs_of("python -m ama.train_raft --iterations 4", MODEL).kept == 4 * 14e9


def test_a_front_holds_three_models() -> None:
    alone = needs_of("python -m ama.evaluate_harness --batch_size 4", MODEL)
    front = needs_of("python -m ama.pareto --measure 'harness --tasks piqa --batch_size 4 '", MODEL)
    assert front.memory == alone.memory + 28e9


def test_merges_and_unknown_commands_need_no_gpu() -> None:
    assert needs_of("python -m ama.interpolate --out 'a|b'", MODEL).memory == 0
    assert needs_of("hf download org/model", MODEL).kept == 14e9
    assert needs_of("true", MODEL).kept == 0


def test_a_line_is_taken_apart() -> None:
    line = read_line("torchrun --nproc_per_node 4 -m ama.pareto --out 'a b' --limit=3 --bf16 --x 1 2")
    assert (line.module, line.processes) == ("ama.pareto", 4)
    assert line.options == {"nproc_per_node": "4", "out": "a b", "limit": "3", "bf16": "", "x": "1"}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("python 'x", "can't be read: No closing quotation"),
        (f"{ZERO3} --batch 12", "--batch 12 of ama.train_sft can't be shared by 8 processes"),
        ("python -m ama.train_sft --block_size x", "--block_size 'x' of ama.train_sft is no whole number"),
        ("torchrun --nproc_per_node none -m ama.train_sft", "--nproc_per_node 'none'"),
    ],
)
def test_mistakes(command: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        needs_of(command, MODEL)
    assert message in str(caught.value)


def test_the_defaults_are_those_of_the_commands() -> None:
    parser = Parser("test", "")
    add_sampling(parser)
    add_prompt_limit(parser, 256)
    given = parser.parse_args([])
    line = (
        f"--sample_batch {given.sample_batch} --max_new_tokens {given.max_new_tokens} --max_prompt_tokens 256"
    )
    assert needs_of("python -m ama.evaluate_reward", MODEL) == needs_of(
        f"python -m ama.evaluate_reward {line}", MODEL
    )
    assert needs_of("python -m ama.train_sft --batch 8", MODEL) == needs_of(
        f"python -m ama.train_sft --batch 8 --micro_batch {SFT.micro_batch}", MODEL
    )


def test_every_module_is_a_command() -> None:
    assert all(find_spec(module) for module in ESTIMATES)
