# SPDX-License-Identifier: GPL-2.0-or-later
#
# For cases that run redo-fault or redo-corrupt. Sourced. REDO_SEED sets another seed.

require_target redo
seed=${REDO_SEED:-1000}
redosetup=$TOP/build/userspace/redosetup
[[ -x $redosetup ]] && offline=(--redosetup "$redosetup") || offline=()

# Each run makes and removes a dozen devices, and each of those waits for RCU.
echo 1 > /sys/kernel/rcu_expedited
defer eval 'echo 0 > /sys/kernel/rcu_expedited'

load_fault_target() {
	dmsetup targets | grep -q '^redo-fault ' && return
	local module=$TOP/build/fault/dm-redo-fault.ko
	[[ $KERNEL == uml ]] || module=$TOP/build/fault-$KERNEL/dm-redo-fault.ko
	[[ -e $module ]] || skip 'no dm-redo-fault.ko'
	insmod "$module"
	defer rmmod dm_redo_fault
}

# run <program> <option>...: what it says at its end is the case's note
run() {
	local said program=$1
	shift
	[[ -x $TOP/build/tests/$program ]] || skip "no $program"
	said=$("$TOP/build/tests/$program" --seed "$seed" "$@")
	echo "$said"
	note "${said##*"$program": }"
}

# faults <n> <redo-fault option>...: every n-th failure, from one that depends on the seed
faults() {
	local stride=$1
	shift
	run redo-fault --stride "$stride" --from $((seed % stride + 1)) "${offline[@]}" "$@"
	seed=$((seed + 7))
}
