# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash
# Steps with progress for the scripts in tools/: each says what it does, how long it took and, if it
# fails, the end of its log and where the rest is. Works without a terminal, HOME or stdin.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly ROOT
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
[[ -n $HOME ]] || HOME=$ROOT/.cache/home
LOGS=$ROOT/out/log
mkdir -p "$LOGS"

# step NAME WHAT COMMAND...: runs COMMAND with its output in $LOGS/NAME.log, and with STREAM=true also
# here; its status is the command's.
step() {
  local what=$2 log=$LOGS/$1.log start=$SECONDS status=0
  shift 2
  if ${STREAM:-false}; then
    printf '%s ...\n' "$what"
    # Not "> >(tee)": a Bazel server that starts in it would keep tee, and who reads from it, waiting.
    "$@" 2>&1 < /dev/null | tee "$log" || status=$?
    printf '%-58s ' "$what:"
  else
    printf '%-58s ' "$what ..."
    "$@" > "$log" 2>&1 < /dev/null || status=$?
  fi
  if (( status == 0 )); then
    printf 'ok (%d s)\n' $((SECONDS - start))
  else
    printf 'FAILED (%d s)\n' $((SECONDS - start))
    tail -n 30 "$log" | sed 's/^/    | /'
    printf '    the whole log: %s\n' "${log#"$ROOT"/}"
  fi
  return "$status"
}
