#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs test cases, one after the other, inside a guest.
#
# Usage: inside.sh <case file>...
#
# In $REDO_RESULTS it leaves
#	results		a line for each case that ended:
#			PASS|FAIL|SKIP <case> <seconds> <reason or note>
#	current		the case that runs, while it runs
#	deadline	the seconds after which the host should give up on this guest
#	<case>.log	what the case printed
#	<case>.klog	the kernel's messages in that time
#
# Exit status 75: cases are left, go on with them in a new guest, since this
# kernel is no longer to be trusted (a warning, a task that cannot be killed).

set -uo pipefail

lib=$REDO_TOP/tests/lib
. "$lib/klog.sh"

export KERNEL=$REDO_KERNEL TOP=$REDO_TOP SCRATCH=/run/redo-scratch
readonly AGAIN=75 SKIPPED=77 DEFAULT_TIMEOUT=300 GRACE=20

header() {
	sed -n "s/^# $2: *//p;/^[^#]/q" "$1" | head -n 1
}

# What a case left behind: first its own clean-up is to be trusted, then force.
remove_leftovers() {
	local tries name left=''
	for tries in 1 2 3; do
		[[ $(dmsetup ls 2>/dev/null) == 'No devices found' ]] && break
		left=yes
		findmnt -rno TARGET | tac | while read -r name; do
			[[ $(findmnt -no SOURCE "$name") == /dev/mapper/* ]] && umount "$name"
		done
		timeout 20 dmsetup remove_all
		[[ $tries -eq 3 ]] && timeout 20 dmsetup remove_all --force
	done
	losetup -D
	umount -l "$SCRATCH"
	[[ -z $left ]]
}

# A sleep that starts no process: processes are dear in these guests.
exec {never}<> <(:)
nap() {
	read -r -t "$1" -u "$never"
}

# Has the process ended?  (A zombie has: this shell has not waited for it yet.)
ended() {
	local stat
	read -r stat 2>/dev/null < "/proc/$1/stat" || return 0
	[[ ${stat##*) } == Z* ]]
}

# Waits for the case; kills what is left of it at the deadline.  Returns 1 if it
# had to, and 2 if it is there even then: stuck in the kernel.
wait_for() {
	local pid=$1 end=$((SECONDS + $2)) killed=''
	until ended "$pid"; do
		if ((SECONDS >= end)); then
			[[ -n $killed ]] && return 2
			[[ -w /proc/sysrq-trigger ]] && echo w > /proc/sysrq-trigger
			ps -eo pid,ppid,stat,wchan:24,args | grep -v '\]$'
			pkill -9 -s "$pid"
			killed=yes
			end=$((SECONDS + GRACE))
		fi
		nap 0.05
	done
	pkill -9 -s "$pid"
	[[ -z $killed ]]
}

report() {
	echo "$*" >> "$REDO_RESULTS/results"
	rm -f "$REDO_RESULTS/current"
}

run_case() {
	local file=$1 seconds status waited started problems verdict reason
	CASE=$(basename "$file" .sh)
	export CASE
	seconds=$(header "$file" timeout)
	seconds=${REDO_TIMEOUT:-${seconds:-$DEFAULT_TIMEOUT}}
	echo $((seconds + 3 * GRACE)) > "$REDO_RESULTS/deadline"
	echo "$CASE" > "$REDO_RESULTS/current"
	mkdir -p "$SCRATCH"
	mount -t tmpfs -o size=90% tmpfs "$SCRATCH"
	klog_mark "$CASE"

	started=$EPOCHREALTIME
	setsid bash -c '. "$0/case.sh"; . "$1"' "$lib" "$file" \
		< /dev/null > "$REDO_RESULTS/$CASE.log" 2>&1 &
	wait_for $! "$seconds" >> "$REDO_RESULTS/$CASE.log"
	waited=$?
	status=1
	[[ $waited -eq 2 ]] || { wait $!; status=$?; }
	reason=$(cat "$SCRATCH/.reason" 2>/dev/null)

	case $waited/$status in
	0/0)		verdict=PASS reason=$(paste -sd' ' "$SCRATCH/.note" 2>/dev/null) ;;
	0/$SKIPPED)	verdict=SKIP ;;
	0/*)		verdict=FAIL reason=${reason:-exit status $status} ;;
	*)		verdict=FAIL reason="not finished after $seconds seconds" ;;
	esac
	if [[ $waited -ne 2 ]] && ! remove_leftovers >> "$REDO_RESULTS/$CASE.log" 2>&1 &&
			[[ $verdict == PASS ]]; then
		verdict=FAIL reason='left dm devices behind'
	fi
	klog_since "$CASE" > "$REDO_RESULTS/$CASE.klog"
	if problems=$(klog_problems < "$REDO_RESULTS/$CASE.klog"); then
		# The dump of blocked tasks that follows a time-out is our own.
		[[ $waited -eq 0 ]] && reason="kernel log: $(head -n 1 <<< "$problems")"
		verdict=FAIL
	fi
	report "$verdict $CASE $(awk "BEGIN {printf \"%.1f\", $EPOCHREALTIME - $started}")" "$reason"
	[[ $waited -eq 0 && -z $problems ]] && dm_clean
}

# Devices that even force does not remove make the next case fail for nothing.
dm_clean() {
	[[ $(dmsetup ls 2>/dev/null) == 'No devices found' ]]
}

while [[ $# -gt 0 ]]; do
	file=$1
	shift
	run_case "$file" && continue
	[[ $# -gt 0 ]] && exit $AGAIN
done
rm -f "$REDO_RESULTS/deadline"
exit 0
