#!/usr/bin/env bats
# scripts/eval_raft, scripts/eval_pairrm: what each recipe launches, with the paper's values unless set otherwise.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  cp -r "${BATS_TEST_DIRNAME}/../../configs" "$repository"
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || record python "$@"'
  stub "${stubs}/torchrun" <<'EOF'
record torchrun "$CUDA_VISIBLE_DEVICES" "$@"
EOF
  reward="${repository}/scripts/eval_raft/run_eval_raft_align.sh"
  pairrm="${repository}/scripts/eval_pairrm/run_pairrm.sh"
}

@test "run_eval_raft_align.sh: the paper's values" {
  eval_data=data/eval bash "$reward" --limit 9
  expect_lines "$calls" python -m ama.evaluate_reward --reward_model output/reward_model \
    --prompts data/hh_rlhf/rlhf/rlhf_eval --task hh_rlhf --temperature 1.0 --max_new_tokens 196 --max_prompt_tokens 256 \
    --sample_batch 64 --models path/to/model --batch_size 64 --scores output/scores/scores.jsonl --limit 9
}

@test "run_pairrm.sh: the paper's values" {
  bash "$pairrm"
  expect_lines "$calls" python -m ama.evaluate_pairrm --references data/alpaca_eval/alpaca_eval.json \
    --reference_name gpt4_1106_preview --pairrm llm-blender/PairRM --task alpaca_eval --temperature 0.7 --top_k 0 \
    --top_p 1.0 --max_new_tokens 300 --sample_batch 64 --models path/to/model --batch_size 4 \
    --scores output/scores/scores.jsonl
}

@test "run_pairrm.sh: HH prompts against other replies, PairRM from folders" {
  references_path='other replies.json' reference_name='' task=hh pairrm_path=a/PairRM pairrm_base_path='a base' \
    temperature=1 top_k=50 top_p=0.95 max_new_tokens=256 sample_batch=2 batch_size=3 output_dir='an out' \
    bash "$pairrm" --prompts p --seed 5
  expect_lines "$calls" python -m ama.evaluate_pairrm --references 'other replies.json' --pairrm a/PairRM \
    --pairrm_base 'a base' --task hh --temperature 1 --top_k 50 --top_p 0.95 --max_new_tokens 256 --sample_batch 2 \
    --models path/to/model --batch_size 3 --scores 'an out/scores.jsonl' --prompts p --seed 5
}

@test "several models, or averages" {
  for recipe in "$reward" "$pairrm"; do
    : >"$calls"
    model_path='one *' bash "$recipe"
    grep -A 2 -Fx -- --models "$calls" | paste -sd ' ' | grep -Fx -- '--models one *'
    : >"$calls"
    model_path='' bash "$recipe" --before 'be fore' --after after --schedule 0.2 'split|1|0.5|0.1'
    run ! grep -Fx -- --models "$calls"
    [ "$(tail -n 7 "$calls" | paste -sd ';')" = "--before;be fore;--after;after;--schedule;0.2;split|1|0.5|0.1" ]
  done
}

@test "several GPUs: a process on each" {
  for recipe in "$reward" "$pairrm"; do
    : >"$calls"
    gpu_ids=2,5,7 bash "$recipe"
    [ "$(head -n 6 "$calls" | paste -sd ' ')" = "torchrun 2,5,7 --standalone --nproc_per_node 3 -m" ]
  done
}

@test "the exit status and stderr of the run are kept" {
  stub "${stubs}/torchrun" <<<'echo "error: no such folder" >&2; exit 2'
  gpu_ids=0,1 log_path=logs/reward run bash "$reward"
  [ "$status" -eq 2 ]
  [ "$(cat logs/reward.err)" = "error: no such folder" ]
}
