"""All trainings of the RLHF stage in turn, for a launcher: python -m support.stages WORLD OUT OPTIONS.

OUT may be several folders, comma-separated; for each, {out} in an option is its name.
"""

import sys
from contextlib import suppress
from pathlib import Path

from ama import train_dpo, train_ppo, train_raft, train_reward, train_sft
from ama.processes import free_trainer
from support.call import call
from support.learning import crash_at

STEPS = ("--max_steps", "4", "--lr", "1e-3", "--batch", "8", "--save_steps", "2")


def run_stages(world: Path, out: Path, *more: str) -> None:
    """Train with every command for a few steps; `more` goes to all of them."""
    start = ("--model", world / "before")
    pairs = ("--data", world / "pairs.json")
    texts = ("--data", world / "sft.json", "--block_size", "32")
    call(train_sft.main, *start, *texts, "--out", out / "sft", *STEPS, *more)
    free_trainer()
    call(train_reward.main, *start, *pairs, "--out", out / "reward", *STEPS, *more)
    free_trainer()
    call(train_dpo.main, *start, *pairs, "--out", out / "dpo", *STEPS, *more)
    free_trainer()
    replay = ("--replay", world / "general.txt", "--replay_weight", "1", "--replay_block", "16")
    call(train_sft.main, *start, *texts, *replay, "--out", out / "replay", *STEPS, *more)
    free_trainer()
    averaged = (train_sft.main, *start, *texts, "--ema", "0.5", "--out", out / "ema", *STEPS, *more)
    with suppress(KeyboardInterrupt), crash_at(4):
        call(*averaged)
    free_trainer()
    call(*averaged)
    free_trainer()
    held = ("--l1", "0.04", "--l2", "1", "--distill", "1")
    call(train_sft.main, *start, *texts, *held, "--out", out / "held", *STEPS, *more)
    free_trainer()
    judge = ("--reward_model", world / "judge", "--prompts", world / "prompts.json", "--out", out / "raft")
    sizes = ("--iterations", "2", "--prompts_per_iteration", "32", "--samples", "4", "--max_new_tokens", "8")
    sizes += ("--sample_batch", "16", "--block_size", "32", "--collected", "10")
    call(train_raft.main, *start, *judge, *sizes, *STEPS, *more)
    free_trainer()
    rounds = ("--rollouts", "64", "--rounds", "4", "--batch", "32", "--max_new_tokens", "8", "--lr", "1e-3")
    deepspeed = more[2:]  # what comes before is --micro_batch, which PPO does not have
    call(train_ppo.main, *start, *judge[:4], "--out", out / "ppo", *rounds, *deepspeed)


if __name__ == "__main__":
    for _out in map(Path, sys.argv[2].split(",")):
        run_stages(Path(sys.argv[1]), _out, *(word.format(out=_out.name) for word in sys.argv[3:]))
        free_trainer()
