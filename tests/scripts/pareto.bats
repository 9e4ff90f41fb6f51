#!/usr/bin/env bats
# scripts/pareto: the curves and measures that the variables make.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_launching_repository
  export CUDA_VISIBLE_DEVICES=
  recipe="${repository}/scripts/pareto/run_pareto.sh"
}

@test "plain averaging, the tasks and the reward" {
  model_path0=sft model_path1=rlhf bash "$recipe"
  expect_lines "$calls" python -m ama.pareto --before sft --after rlhf --out output/front --most_loss 0.05 \
    --curve 'plain averaging' 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 \
    --measure "reward --reward_model output/reward_model --prompts data/hh_rlhf/rlhf/rlhf_eval --max_new_tokens 196 --sample_batch 64 " \
    --measure "harness --tasks arc_easy arc_challenge race piqa squadv2 wmt14-fr-en --batch_size 16 --eval_data data/eval "
}

@test "every variable, further curves" {
  model_path0=a model_path1=b output_dir='an out' ratios='' part_wise='split|1|0.5|0.1@0.3 split|1|0.1|0.5@0.3' \
    masks=learned@0.2 tasks=piqa drop=true eval_data='my data' limit=5 batch_size=2 reward_model_path='' \
    pairrm_path=PairRM references=theirs.json most_loss=0.1 bash "$recipe" --curve other 0.4
  expect_lines "$calls" python -m ama.pareto --before a --after b --out 'an out' --most_loss 0.1 \
    --curve 'part-wise averaging' 'split|1|0.5|0.1@0.3' 'split|1|0.1|0.5@0.3' --curve 'learned ratios' learned@0.2 \
    --measure 'pairrm --pairrm PairRM --references theirs.json --reference_name gpt4_1106_preview --max_new_tokens 300 --limit 5 ' \
    --measure 'harness --tasks piqa --batch_size 2 --eval_data my\ data --limit 5 ' \
    --measure 'opencompass --eval_data my\ data --limit 5 ' --curve other 0.4
}

@test "several GPUs share the averages" {
  num_gpus=3 bash "$recipe"
  [ "$(head -n 6 "$calls" | paste -sd ' ')" = "torchrun  --standalone --nproc_per_node 3 -m" ]
}
