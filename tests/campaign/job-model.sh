#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Inside a guest: redo-model, then a look at the kernel's log.
#
# Usage: job-model.sh [--mutant NAME] <option of redo-model>...

set -uo pipefail

. "$REDO_TOP/tests/lib/klog.sh"

# Each device that goes waits for grace periods: most of the time there is.
echo 1 > /sys/kernel/rcu_expedited

mutant=none
[[ ${1:-} == --mutant ]] && { mutant=$2; shift 2; }
if [[ -e /sys/module/dm_redo/parameters/mutate ]]; then
	echo -n "$mutant" > /sys/module/dm_redo/parameters/mutate || exit 2
elif [[ $mutant != none ]]; then
	echo "job-model.sh: this module has no mutants"
	exit 2
fi

"$REDO_TOP/build/tests/redo-model" "$@" 2>&1
status=$?
dmesg > "$REDO_RESULTS/klog"
# A mutant may well upset the kernel's own checks.
if [[ $mutant == none ]] && klog_problems < "$REDO_RESULTS/klog"; then
	echo "FAILED: the kernel's log has that"
	[[ $status -eq 0 ]] && status=1
fi
exit $status
