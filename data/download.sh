#!/usr/bin/env bash
# Fetch a data set and bring it into the form that the recipes read: ./download.sh NAME [--flag value ...]
# Without a name it lists them. Formats: README.md beside this file.
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib/common.sh"

# Each data set gets a folder of its name in here.
: "${data_dir:=${repo_root}/data}"

list_names() {
  cat <<'EOF'
hh_rlhf      Anthropic's HH-RLHF for SFT, reward models and RLHF; HH_RLHF_SOURCE=DIR takes a local copy
eval         evaluation sets, shaped like their hub repositories for lm-eval offline; EVAL_SOURCE=DIR takes a local copy
alpaca_eval  AlpacaEval's prompts with reference outputs; ALPACA_EVAL_SOURCE=DIR takes a local copy
EOF
}

usage() {
  printf 'usage: download.sh NAME [--flag value ...]\n\n'
  list_names
  printf '\nFlags go to the command behind it; ./download.sh NAME --help lists them.\n'
}

name="${1:-}"
if [[ -z "$name" ]]; then
  list_names
  exit
fi
shift
case "$name" in
  hh_rlhf) command=(ama.prepare_hh_rlhf "${data_dir}/hh_rlhf") ;;
  eval) command=(ama.build_eval_data --out "${data_dir}/eval") ;;
  alpaca_eval) command=(ama.prepare_alpaca_eval "${data_dir}/alpaca_eval") ;;
  -h | --help)
    usage
    exit
    ;;
  *) die "there is no data set '${name}': run download.sh alone for their names" ;;
esac

activate_environment
perform python -m "${command[@]}" "$@"
