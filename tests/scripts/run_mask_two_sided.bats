#!/usr/bin/env bats
# scripts/mask_post/run_mask_two_sided.sh: what it launches, and how.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_training_repository
  recipe="${repository}/scripts/mask_post/run_mask_two_sided.sh"
  options=(--before path/to/model_before_rlhf --after path/to/model_after_rlhf --data data/collected_samples
    --out output/masks_two_sided_element --approach free_sigmoid --mask_level element --price 0.03 0.1 0.3 1
    --targets soft --teacher_top_k 0 --loss_on response --scope all --start_ratio 0.3 --lr 0.1 --beta2 0.98
    --warmup 0 --max_steps 80 --micro_batch 16 --retain_samples 512)
}

@test "defaults: elements at three prices in one process" {
  bash "$recipe"
  expect_lines "$calls" python -m ama.optimize_masks "${options[@]}"
}

@test "every variable comes from the environment, further arguments pass through" {
  model_path0="my models/sft" model_path='models/*' dataset_path="a b.json" output_dir="an out" retain_data="c d.txt" \
    retain_samples=7 mask_level=row price=2 targets=sampled teacher_top_k=5 loss_on=text scope=linear start_ratio=0.5 \
    lr=1 beta2=0.9 max_steps=3 micro_batch=2 bash "$recipe" --bf16 --note "two words"
  expect_lines "$calls" python -m ama.optimize_masks --before "my models/sft" --after 'models/*' \
    --data "a b.json" --out "an out" --approach free_sigmoid --mask_level row --price 2 --targets sampled \
    --teacher_top_k 5 --loss_on text --scope linear --start_ratio 0.5 --lr 1 --beta2 0.9 --warmup 0 --max_steps 3 \
    --micro_batch 2 --retain_samples 7 --retain_data "c d.txt" --bf16 --note "two words"
}

@test "several processes: torchrun, or deepspeed with a ZeRO stage" {
  num_gpus=4 bash "$recipe"
  num_gpus=2 zero_stage=3 bash "$recipe"
  printf '%s\n' torchrun --standalone --nproc_per_node 4 -m ama.optimize_masks "${options[@]}" >expected
  printf '%s\n' deepspeed --num_gpus 2 --no_local_rank --module ama.optimize_masks "${options[@]}" \
    --deepspeed "${repository}/configs/deepspeed/ds_config_zero3.json" >>expected
  diff -u expected "$calls"
}
