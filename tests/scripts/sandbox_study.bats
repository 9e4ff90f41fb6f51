#!/usr/bin/env bats
# scripts/reproduce/sandbox_study.sh: every world once, then the report of all of them.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || record "$*"'
  stub "${repository}/install.sh" <<<'exit 0'
  stub "${repository}/scripts/quickstart.sh" <<'EOF'
record "quickstart $* of ${rlhf} in ${output} by ${processes}"
[[ "$2" != "${broken:-}" ]] || exit
front="${output}/seed_$2/front${rlhf/raft/}"
mkdir -p "${front/frontdpo/front_dpo}"
touch "${front/frontdpo/front_dpo}/report.html"
EOF
  study="${repository}/scripts/reproduce/sandbox_study.sh"
  export seeds='3 5 8' output=out
}

@test "each world is run once, and the fronts are pooled" {
  rlhf=dpo run bash "$study"
  [ "$status" -eq 0 ]
  [ "$(grep -c '^world [358] is done$' <<<"$output")" -eq 3 ]
  diff -u - <(sort "$calls") <<'EOF'
-m ama.show_front out/seed_3/front_dpo out/seed_5/front_dpo out/seed_8/front_dpo --out out/pooled_dpo
quickstart --seeds 3 of dpo in out by 1
quickstart --seeds 5 of dpo in out by 1
quickstart --seeds 8 of dpo in out by 1
EOF
}

@test "a world that fails is named, the others are run, and nothing is pooled" {
  broken=5 run bash "$study"
  [ "$status" -ne 0 ]
  [[ "$output" == *"world 5 failed: see out/logs/seed_5.log"* ]]
  [[ "$output" == *"run the same command again"* ]]
  [ "$(grep -c '^quickstart' "$calls")" -eq 3 ]
  run ! grep show_front "$calls"
}

@test "wrong settings" {
  rlhf=rl run bash "$study"
  [[ "$output" == *"rlhf is 'rl': give raft, prompt_loss or dpo"* ]]
  seeds='a' run bash "$study"
  [[ "$output" == *"seeds are 'a': give whole numbers"* ]]
  jobs=0 run bash "$study"
  [[ "$output" == *"jobs is '0': give 1 or more"* ]]
}
