#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs inside a guest that was booted with kmemleak=on: cases that take every path
# of setting up and tearing down, failures and corrupt deltas among them, and then
# asks kmemleak, with the module loaded and after it is gone.

set -uo pipefail

leak=/sys/kernel/debug/kmemleak
program=$REDO_TOP/build/tests
[[ -w $leak ]] || { echo "no kmemleak: boot with kmemleak=on"; exit 1; }

# An allocation that failed on purpose in sysfs_slab_add() costs the kernel the name of a
# slab cache: nobody puts the kobject. Told apart by both functions in the trace.
without_kernels_own() {
	awk '/^unreferenced object/ { flush() }
		{ object = object $0 "\n" }
		/kobject_set_name_vargs/ { name = 1 }
		/sysfs_slab_add/ { slab = 1 }
		END { flush() }
		function flush() {
			if (!(name && slab))
				printf "%s", object
			object = ""; name = slab = 0
		}' "$leak"
}

# Twice, for what is found once may have been on its way from hand to hand.
ask() {
	local i found
	for i in 1 2 3; do
		sleep 6
		echo scan > $leak
	done
	found=$(without_kernels_own)
	if [[ -n $found ]]; then
		printf 'leaked, %s:\n%s\n' "$1" "$found"
		exit 1
	fi
}

ask 'before anything was done'
echo clear > $leak
for case in 014-order 040-reload-load 042-revert-clone 052-full-rescue 060-failures 064-unload; do
	$REDO_TOP/tests/guest/inside.sh "$REDO_TOP/tests/integration/$case.sh"
done
grep -v '^PASS' "$REDO_RESULTS/results" && exit 1
insmod "$REDO_TOP/build/fault/dm-redo-fault.ko"
echo 1 > /sys/kernel/rcu_expedited
"$program/redo-fault" --stride 37 --seconds 40 || exit 1
"$program/redo-fault" --stride 23 --seconds 40 --what slab || exit 1
"$program/redo-corrupt" --to 60 --seconds 40 || exit 1
ask 'with the module loaded'
rmmod dm_redo_fault dm_redo || exit 1
ask 'after the module is gone'
echo "redo-leaks: $(wc -l < "$REDO_RESULTS/results") cases, failures and corrupt deltas: nothing leaked"
