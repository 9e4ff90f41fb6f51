#!/usr/bin/env bats
# data/download.sh: the names, and the command behind each.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  mkdir "${repository}/data"
  cp "${BATS_TEST_DIRNAME}/../../data/download.sh" "${repository}/data"
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || record python "$@"'
  download="${repository}/data/download.sh"
}

@test "alone it lists the names, a line each" {
  run "$download"
  [ "$status" -eq 0 ]
  [ "$(cut -d ' ' -f 1 <<<"$output")" = $'hh_rlhf\neval\nalpaca_eval' ]
  [ ! -s "$calls" ]
}

@test "--help tells how to call it" {
  run bash "$download" --help
  [ "$status" -eq 0 ]
  [[ "$output" == "usage: download.sh NAME"* ]]
  [[ "$output" == *alpaca_eval* ]]
}

@test "from the data folder, and from anywhere, into the data folder" {
  (cd "${repository}/data" && ./download.sh hh_rlhf)
  bash "$download" hh_rlhf
  expect_lines "$calls" python -m ama.prepare_hh_rlhf "${repository}/data/hh_rlhf" \
    python -m ama.prepare_hh_rlhf "${repository}/data/hh_rlhf"
}

@test "the other names" {
  bash "$download" eval
  bash "$download" alpaca_eval
  expect_lines "$calls" python -m ama.build_eval_data --out "${repository}/data/eval" \
    python -m ama.prepare_alpaca_eval "${repository}/data/alpaca_eval"
}

@test "further arguments pass through, another folder is taken" {
  data_dir="a folder" bash "$download" hh_rlhf --subsets harmless-base --source "two words"
  expect_lines "$calls" python -m ama.prepare_hh_rlhf "a folder/hh_rlhf" --subsets harmless-base --source "two words"
}

@test "an unknown name is one line, status 2" {
  run bash "$download" sharegpt
  [ "$status" -eq 2 ]
  [ "$output" = "error: there is no data set 'sharegpt': run download.sh alone for their names" ]
}

@test "python's exit status and stderr are kept" {
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || { echo "error: no internet" >&2; exit 2; }'
  run bash "$download" hh_rlhf
  [ "$status" -eq 2 ]
  [ "$output" = "error: no internet" ]
}
