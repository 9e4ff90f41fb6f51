#!/usr/bin/env bats
# scripts/rlhf: what each recipe launches, with the paper's values unless set otherwise.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_training_repository
  recipes="${repository}/scripts/rlhf"
}

@test "run_sft.sh: the paper's values" {
  bash "${recipes}/run_sft.sh"
  expect_lines "$calls" python -m ama.train_sft --model path/to/base_model --data data/hh_rlhf/sft --out output/sft \
    --lr 1e-5 --epochs 1 --batch 12 --block_size 2048 --pack
}

@test "run_reward_modeling.sh: the paper's values" {
  bash "${recipes}/run_reward_modeling.sh"
  expect_lines "$calls" python -m ama.train_reward --model output/sft --data data/hh_rlhf/rm/train \
    --out output/reward_model --lr 5e-6 --epochs 1 --batch 16 --max_length 512 --eval_data data/hh_rlhf/rm/held_out
}

@test "run_reward_modeling.sh: without pairs to measure on, a share is set apart" {
  eval_path='' bash "${recipes}/run_reward_modeling.sh"
  expect_lines "$calls" python -m ama.train_reward --model output/sft --data data/hh_rlhf/rm/train \
    --out output/reward_model --lr 5e-6 --epochs 1 --batch 16 --max_length 512
}

@test "run_raft_align.sh: the paper's values" {
  bash "${recipes}/run_raft_align.sh" --keep top_share
  expect_lines "$calls" python -m ama.train_raft --model output/sft --reward_model output/reward_model \
    --prompts data/hh_rlhf/rlhf/rlhf_prompt --out output/raft --iterations 10 --prompts_per_iteration 2048 \
    --samples 32 --temperature 1.0 --max_new_tokens 128 --lr 1e-5 --epochs 2 --batch 32 --keep top_share
}

@test "run_dpo.sh: the paper's values" {
  bash "${recipes}/run_dpo.sh"
  expect_lines "$calls" python -m ama.train_dpo --model output/sft --data data/hh_rlhf/rm/train/train.json --out output/dpo \
    --beta 0.1 --lr 1e-6 --epochs 1 --batch 32 --max_length 512
}

@test "run_ppo.sh: the paper's values" {
  lora_r=16 bash "${recipes}/run_ppo.sh" --bf16
  expect_lines "$calls" python -m ama.train_ppo --model output/sft --reward_model output/reward_model \
    --prompts data/hh_rlhf/rlhf/rlhf_prompt --out output/ppo --rollouts 512 --rounds 100 --kl_coef 0.05 \
    --temperature 1.0 --max_new_tokens 128 --lr 1e-6 --epochs 2 --batch 32 --reward_baseline 0 --lora_r 16 --bf16
}

@test "variables come from the environment, further arguments pass through" {
  model_path="my models/sft" dataset_path='data/*' eval_path="a b" output_dir="an out" lr=1 epochs=2 batch=3 \
    max_length=4 lora_r=16 bash "${recipes}/run_reward_modeling.sh" --bf16 --note "two words"
  expect_lines "$calls" python -m ama.train_reward --model "my models/sft" --data 'data/*' --out "an out" \
    --lr 1 --epochs 2 --batch 3 --max_length 4 --eval_data "a b" --lora_r 16 --bf16 --note "two words"
}

@test "every recipe: several processes under torchrun, a ZeRO stage under deepspeed" {
  for recipe in "${recipes}"/*.sh; do
    : >"$calls"
    num_gpus=4 bash "$recipe"
    [ "$(head -n 6 "$calls" | paste -sd ' ')" = "torchrun --standalone --nproc_per_node 4 -m $(sed -n 6p "$calls")" ]
    grep -q '^ama\.train_' "$calls"
    : >"$calls"
    num_gpus=2 zero_stage=2 bash "$recipe"
    [ "$(head -n 5 "$calls" | paste -sd ' ')" = "deepspeed --num_gpus 2 --no_local_rank --module" ]
    tail -n 1 "$calls" | grep -q 'configs/deepspeed/ds_config_zero2.json$'
  done
}

@test "the exit status and stderr of the run are kept" {
  stub "${stubs}/torchrun" <<<'echo "error: no such folder" >&2; exit 2'
  num_gpus=2 log_path=logs/sft run bash "${recipes}/run_sft.sh"
  [ "$status" -eq 2 ]
  [ "$output" = "error: no such folder" ]
  [ "$(cat logs/sft.err)" = "error: no such folder" ]
}
