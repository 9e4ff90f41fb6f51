#!/usr/bin/env bats
# scripts/mask_post/run_mask_finetune_raft.sh: what it launches, and how.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_training_repository
  recipe="${repository}/scripts/mask_post/run_mask_finetune_raft.sh"
  options=(--before path/to/model_before_rlhf --after path/to/model_after_rlhf --data data/collected_samples
    --out output/masks_block3_0.2 --approach mask_norm_sigmoid_linear --mask_level block3 --mean_ratio 0.2
    --epsilon 0.2 --lr 2e-5 --reg_alpha 1e-4 --sum_reg_type 0.2)
}

@test "defaults: the released settings in one process" {
  bash "$recipe"
  expect_lines "$calls" python -m ama.optimize_masks "${options[@]}"
}

@test "every variable comes from the environment, further arguments pass through" {
  model_path0="my models/sft" model_path='models/*' dataset_path="a b.json" output_dir="an out" \
    approach=mask_shift_sigmoid_linear mask_level=layerwise init_val=0.4 epsilon=0.5 lr=0.1 reg_alpha=0 sum_reg_type=1 \
    bash "$recipe" --bf16 --note "two words"
  expect_lines "$calls" python -m ama.optimize_masks --before "my models/sft" --after 'models/*' \
    --data "a b.json" --out "an out" --approach mask_shift_sigmoid_linear --mask_level layerwise \
    --mean_ratio 0.4 --epsilon 0.5 --lr 0.1 --reg_alpha 0 --sum_reg_type 1 --bf16 --note "two words"
}

@test "several processes on one machine: torchrun" {
  num_gpus=4 bash "$recipe"
  expect_lines "$calls" torchrun --standalone --nproc_per_node 4 -m ama.optimize_masks "${options[@]}"
}

@test "a hostfile: deepspeed with ZeRO-2, or the stage that is set" {
  touch "my hosts"
  num_gpus=8 hostfile="my hosts" bash "$recipe"
  num_gpus=8 hostfile="my hosts" zero_stage=0 bash "$recipe"
  for stage in 2 0; do
    printf '%s\n' deepspeed --hostfile "my hosts" --num_gpus 8 --no_local_rank --module ama.optimize_masks \
      "${options[@]}" --deepspeed "${repository}/configs/deepspeed/ds_config_zero${stage}.json" >>expected
  done
  diff -u expected "$calls"
}

@test "master_port: where DeepSpeed's processes meet" {
  touch hosts
  hostfile=hosts master_port=29600 bash "$recipe"
  zero_stage=2 master_port=29601 bash "$recipe"
  [ "$(grep -A 1 -e --master_port "$calls" | tr '\n' ' ')" = "--master_port 29600 -- --master_port 29601 " ]
}

@test "a ZeRO stage without a hostfile: deepspeed on this machine" {
  num_gpus=2 zero_stage=2 bash "$recipe"
  expect_lines "$calls" deepspeed --num_gpus 2 --no_local_rank --module ama.optimize_masks "${options[@]}" \
    --deepspeed "${repository}/configs/deepspeed/ds_config_zero2.json"
}

@test "wrong numbers and a missing hostfile are errors, and nothing is launched" {
  num_gpus=none run bash "$recipe"
  [ "$output" = "error: num_gpus is 'none': give the number of processes on a machine" ]
  zero_stage=5 run bash "$recipe"
  [ "$output" = "error: zero_stage is '5': give 0, 2 or 3, or leave it empty" ]
  hostfile=nowhere run bash "$recipe"
  [ "$status" -eq 2 ]
  [ "$output" = "error: hostfile nowhere is missing" ]
  [ ! -s "$calls" ]
}

@test "the exit status and stderr of the run are kept" {
  stub "${stubs}/torchrun" <<<'echo "error: no such folder" >&2; exit 2'
  num_gpus=2 log_path=logs/masks run bash "$recipe"
  [ "$status" -eq 2 ]
  [ "$output" = "error: no such folder" ]
  [ "$(cat logs/masks.err)" = "error: no such folder" ]
}
