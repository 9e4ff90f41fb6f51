"""Check an experiment's ratios and schedules; estimate the memory and disk that its stages need."""

from ama.console import run
from ama.console.command import Command
from ama.planning.experiment import plan
from ama.settings.planning import ModelSize, PlanSettings

COMMAND = Command(
    "plan_experiment",
    """\
Nothing is read but the stages, and nothing is loaded. The estimate is made of the model's sizes and of
the settings on the stages' command lines (see ama.planning.needs); it is rough. Memory is that of each GPU,
or of each process on a CPU.

Example, a 7B model under ZeRO-3 on 8 GPUs:
  python -m ama.plan_experiment --params 7.24e9 --layers 32 --hidden 4096 --vocab 32000 --key_width 1024 \\
    --stage 'sft=deepspeed --num_gpus 8 --module ama.train_sft --model models/base --data data/hh_rlhf/sft \\
    --out output/sft --bf16 --batch 16 --deepspeed configs/deepspeed/ds_config_zero3.json'""",
    ModelSize,
    PlanSettings,
)


def main() -> None:
    """Check, estimate, print a table."""
    chosen = COMMAND.parse()
    plan(chosen[ModelSize], chosen[PlanSettings])


if __name__ == "__main__":
    run(main)
