#!/usr/bin/env bats
# The recipes that measure models: what they launch, and how.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  cp -r "${BATS_TEST_DIRNAME}/../../configs" "$repository"
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || record python "$@"'
  stub "${stubs}/torchrun" <<'EOF'
record torchrun "$CUDA_VISIBLE_DEVICES" "$@"
EOF
  common_sense="${repository}/scripts/eval_cs_qa/run_evaluation.sh"
  others="${repository}/scripts/eval_drop_squad_wmt"
  ending=(--eval_data data/eval --batch_size 16 --scores output/scores/scores.jsonl)
}

@test "common sense: five tasks on one model" {
  model_path=models/rlhf bash "$common_sense"
  expect_lines "$calls" python -m ama.evaluate_harness --tasks arc_easy arc_challenge race boolq piqa \
    --models models/rlhf "${ending[@]}"
}

@test "SQuAD, WMT: a task each" {
  for recipe in squad wmt; do
    model_path=models/rlhf bash "${others}/run-evaluation-${recipe}.sh"
  done
  for task in squadv2 wmt14-fr-en; do
    printf '%s\n' python -m ama.evaluate_harness --tasks "$task" --models models/rlhf "${ending[@]}" >>expected
  done
  diff -u expected "$calls"
}

@test "several models, other tasks, every variable, further arguments" {
  model_path='models/sft models/rlhf' tasks=piqa eval_data="my data" batch_size=auto output_dir="an out" \
    bash "$common_sense" --limit 200 --system_instruction "two words"
  expect_lines "$calls" python -m ama.evaluate_harness --tasks piqa --models models/sft models/rlhf \
    --eval_data "my data" --batch_size auto --scores "an out/scores.jsonl" --limit 200 \
    --system_instruction "two words"
}

@test "an average in memory, on sets that are fetched" {
  model_path='' eval_data='' bash "${others}/run-evaluation-squad.sh" --before a --after b --schedule 0.2 'split|1|0|1'
  expect_lines "$calls" python -m ama.evaluate_harness --tasks squadv2 --batch_size 16 \
    --scores output/scores/scores.jsonl --before a --after b --schedule 0.2 'split|1|0|1'
}

@test "a process on each GPU" {
  gpu_ids=1,3 model_path=m bash "${others}/run-evaluation-wmt.sh"
  expect_lines "$calls" torchrun 1,3 --standalone --nproc_per_node 2 -m ama.evaluate_harness --tasks wmt14-fr-en \
    --models m "${ending[@]}"
}

@test "one GPU of several" {
  stub "${stubs}/python" <<'EOF'
[[ "$*" == *"import ama"* ]] || record python "$CUDA_VISIBLE_DEVICES"
EOF
  gpu_ids=2 model_path=m bash "$common_sense"
  expect_lines "$calls" python 2
}

@test "the exit status and stderr of the run are kept" {
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || { echo "error: no such folder" >&2; exit 2; }'
  log_path=logs/eval model_path=m run bash "$common_sense"
  [ "$status" -eq 2 ]
  [ "$output" = "error: no such folder" ]
  [ "$(cat logs/eval.err)" = "error: no such folder" ]
}

@test "DROP: OpenCompass" {
  model_path=m max_out_len=50 bash "${others}/run-evaluation-drop.sh" --limit 8
  expect_lines "$calls" python -m ama.evaluate_opencompass --max_seq_len 2048 --max_out_len 50 --models m "${ending[@]}" \
    --limit 8
}
