#!/usr/bin/env bats
# scripts/reproduce/smollm2_dolly.sh: the steps, their order, and what is kept when it is run again.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  stub "${stubs}/python" <<'EOF'
[[ "$*" == *"import ama"* ]] && exit
shift # -m
record "$*"
case "$1" in
  ama.prepare_smollm2) mkdir -p "$2" ;;
  ama.finetune) mkdir -p out/after ;;
esac
EOF
  recipe="${repository}/scripts/reproduce/smollm2_dolly.sh"
  printf '{"prompt": "%s", "response": ""}\n' {1..9} >rows.jsonl
  export dolly_jsonl=rows.jsonl wikitext_txt=wiki.txt output=out ratios=0.5 train_rows=3 held_out_rows=2
}

@test "prepare, train, average, measure, show" {
  bash "$recipe"
  diff -u - <(grep -o '^ama[^ ]*' "$calls") <<'EOF'
ama.prepare_smollm2
ama.finetune
ama.interpolate
ama.interpolate
ama.evaluate_loss
ama.show_losses
EOF
  grep -F -- '--ratio 0.25' "$calls" | grep -F -- '--out out/pma_0.25_before_split|9#19|0.4|0.25|0.1_after --overwrite'
  grep -F -- '--ratio 0.5' "$calls" | grep -F -- '--out out/pma_0.5_before_after --overwrite'
  grep -F -- '--data instructions=out/held_out.jsonl wikitext=wiki.txt' "$calls"
}

@test "training and held-out rows are apart" {
  bash "$recipe"
  diff <(sed -n 1,3p rows.jsonl) out/train.jsonl
  diff <(sed -n 8,9p rows.jsonl) out/held_out.jsonl
}

@test "too few rows to keep them apart are an error" {
  held_out_rows=7 run bash "$recipe"
  [ "$status" -eq 2 ]
  [ "$output" = "error: rows.jsonl: 9 rows are fewer than train_rows and held_out_rows" ]
}

@test "a second run keeps the two models" {
  bash "$recipe"
  : >"$calls"
  bash "$recipe"
  run ! grep -E 'prepare_smollm2|finetune' "$calls"
}
