# shellcheck shell=bash
# Sourced after common.sh by the recipes that train: one process, several on this machine, or several machines.
set -euo pipefail

# launch PROCESSES HOSTFILE ZERO_STAGE ARGUMENTS...: run `python ARGUMENTS...` in PROCESSES processes on this machine, or
# on the machines of a DeepSpeed hostfile. With ZERO_STAGE 0, 2 or 3 it runs under DeepSpeed, else under torchrun.
# DeepSpeed's processes meet at port 29500 unless master_port is set: two runs at a time need two ports.
launch() {
  local processes="$1" hostfile="$2" stage="$3"
  shift 3
  local config="${repo_root:?source common.sh first}/configs/deepspeed/ds_config_zero${stage:-2}.json"
  [[ "$processes" =~ ^[1-9][0-9]*$ ]] || die "num_gpus is '${processes}': give the number of processes on a machine"
  [[ -f "$config" ]] || die "zero_stage is '${stage}': give 0, 2 or 3, or leave it empty"
  if [[ -n "$hostfile" ]]; then
    [[ -f "$hostfile" ]] || die "hostfile ${hostfile} is missing"
    deepspeed --hostfile "$hostfile" --num_gpus "$processes" ${master_port:+--master_port "$master_port"} \
      --no_local_rank --module "${@:2}" --deepspeed "$config"
  elif [[ -n "$stage" ]]; then
    deepspeed --num_gpus "$processes" ${master_port:+--master_port "$master_port"} \
      --no_local_rank --module "${@:2}" --deepspeed "$config"
  elif [[ "$processes" == 1 ]]; then
    python "$@"
  else
    torchrun --standalone --nproc_per_node "$processes" "$@"
  fi
}
