#!/usr/bin/env bash
# The study of docs/protocol.md: the quickstart's experiment in many worlds, several at a time, and a report of all.
# Run again after an interruption, it goes on where it stopped. Edit the variables, or set them in the environment:
#
#   seeds='100 101 102 103' output=output/development bash scripts/reproduce/sandbox_study.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"

# Worlds; those of the confirming study are 0 to 11, those to choose settings on 100 to 103.
: "${seeds:=0 1 2 3 4 5 6 7 8 9 10 11}"
# How after is made: raft, prompt_loss (RAFT that learns the prompts of its samples too) or dpo.
: "${rlhf:=raft}"
# Worlds at a time, one process each.
: "${jobs:=2}"
: "${output:=output/sandbox_study}"

case "$rlhf" in
  raft) kind='' ;;
  prompt_loss | dpo) kind="_${rlhf}" ;;
  *) die "rlhf is '${rlhf}': give raft, prompt_loss or dpo" ;;
esac
[[ "$seeds" =~ ^[0-9\ ]+$ ]] || die "seeds are '${seeds}': give whole numbers, such as '0 1 2'"
[[ "$jobs" =~ ^[1-9][0-9]*$ ]] || die "jobs is '${jobs}': give 1 or more"

"$repo_root/install.sh"
activate_environment
mkdir -p "${output}/logs"
export output rlhf processes=1
failed=0
# world SEED: what it prints goes to a file; the name is said when it is done.
world() {
  local log="${output}/logs/seed_$1${kind}.log"
  if bash "$repo_root/scripts/quickstart.sh" --seeds "$1" >"$log" 2>&1; then
    printf 'world %s is done\n' "$1"
  else
    printf 'world %s failed: see %s\n' "$1" "$log" >&2
    return 1
  fi
}
fronts=()
for seed in $seeds; do
  while (($(jobs -rp | wc -l) >= jobs)); do
    wait -n || failed=1
  done
  world "$seed" &
  fronts+=("${output}/seed_${seed}/front${kind}")
done
while (($(jobs -rp | wc -l))); do
  wait -n || failed=1
done
for front in "${fronts[@]}"; do
  [[ -e "${front}/report.html" ]] || failed=1
done
((failed == 0)) || die "not all worlds are done: run the same command again"
python -m ama.show_front "${fronts[@]}" --out "${output}/pooled${kind}"
