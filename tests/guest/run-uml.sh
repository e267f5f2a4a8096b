#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Usage: run-uml.sh [--lean] [options] [--] <command> [<argument>...]
#
# Runs a command in a guest with the User-Mode-Linux test kernel (KASAN, lockdep),
# or with the lean one (see build-uml.sh).

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/guest.sh"

flavour=uml lean=()
[[ ${1:-} == --lean ]] && { flavour=lean lean=(--lean); shift; }
parse_options "$@"
tree=$("$here/build-uml.sh" "${lean[@]}")
prepare_results "$flavour" "$tree/root"

# UML uses one processor. A guest that has one to itself takes half the time: each
# system call in it is a switch to another process and back.
pin=()
pick_processor() {
	local n slot
	for ((n = 0; n < $(nproc --all); n++)); do
		taskset -c $n true 2> /dev/null || continue
		exec {slot}> "$REDO_CACHE/.processor-$n"
		if flock -n "$slot"; then # until the last of the guest's processes has ended
			pin=(taskset -c $n)
			return
		fi
		exec {slot}>&-
	done
}
pick_processor

arguments=(
	"mem=${memory}M"
	root=/dev/root rootfstype=hostfs rootflags=/ ro
	"init=$here/root-uml.sh" "REDO_RESULTS=$results"
	con=null con0=null,fd:1 ssl=null
	rcupdate.rcu_expedited=1 loglevel=7 kunit.enable=1 panic=-1 panic_on_oops=0 hung_task_panic=0
)
for i in "${!disks[@]}"; do
	arguments+=("ubd$i=${disks[i]}")
done

# UML keeps its memory in a file; on tmpfs that is memory.
export TMPDIR=/dev/shm
# shellcheck disable=SC2086 # $append is a list of words
run_guest "${pin[@]}" "$tree/linux" "${arguments[@]}" $append
