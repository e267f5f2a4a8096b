# SPDX-License-Identifier: GPL-2.0-or-later
#
# For cases that run redo-crash.  Sourced.  REDO_SEED sets another first seed.

redo_crash=$TOP/build/tests/redo-crash
[[ -x $redo_crash ]] || skip "no $redo_crash"
require_target log-writes
require_target redo

seed=${REDO_SEED:-1000}
if [[ $KERNEL == uml || $KERNEL == lean ]]; then
	cuts=45 recovery=20
else
	cuts=10 recovery=10
fi
redosetup=$TOP/build/userspace/redosetup
[[ -x $redosetup ]] && offline=(--redosetup "$redosetup") || offline=()

# A cut makes and removes a dozen devices, and each of those waits for RCU.
echo 1 > /sys/kernel/rcu_expedited
defer eval 'echo 0 > /sys/kernel/rcu_expedited'

# crash <redo-crash option>...: a run that fails can be repeated exactly from
# what it leaves in the results directory
crash() {
	local said
	said=$("$redo_crash" --seed "$seed" --cuts "$cuts" --recovery "$recovery" \
		"${offline[@]}" --save "${REDO_RESULTS:-$SCRATCH}/crash-$CASE-$seed" "$@")
	echo "$said"
	said=${said##*redo-crash: }
	note "$said"
	seed=$((seed + 1))
}
