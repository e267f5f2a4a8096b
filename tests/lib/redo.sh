# SPDX-License-Identifier: GPL-2.0-or-later
#
# Chains for test cases.  Sourced by a case, after case.sh.

rio_py=$TOP/tests/lib/rio.py
poke_py=$TOP/tests/lib/poke.py

# One process for all of a case's rio calls, as for its pokes below.
rio_in=''
start_rio() {
	mkfifo "$SCRATCH/.rio-in" "$SCRATCH/.rio-out"
	/usr/bin/python3 -S -E "$rio_py" --serve < "$SCRATCH/.rio-in" > "$SCRATCH/.rio-out" &
	defer kill $!
	disown $!
	exec {rio_in}> "$SCRATCH/.rio-in" {rio_out}< "$SCRATCH/.rio-out"
}

# rio ..., poke ...: see the head of rio.py and poke.py.  In the background rio is
# a process of its own.
rio() {
	local IFS=$'\x1f' answer=''
	if [[ $BASHPID != "$$" ]]; then
		/usr/bin/python3 -S -E "$rio_py" "$@"
		return
	fi
	[[ -n $rio_in ]] || start_rio
	echo "$*" >&"$rio_in"
	IFS= read -r -u "$rio_out" answer
	[[ $answer == . ]] && return
	echo "rio: ${answer#! }" >&2
	return 1
}

# As rio, for the background: what is killed is the reader or writer itself
rio_exec() {
	exec /usr/bin/python3 -S -E "$rio_py" "$@"
}

# One process for all pokes and looks at the kernel log of a case: a case does a
# hundred of them, and to start a process takes long in UML.
server=''
start_server() {
	coproc SERVER { exec /usr/bin/python3 -S -E "$poke_py" --serve; }
	exec {server_in}>&"${SERVER[1]}" {server_out}<&"${SERVER[0]}"
	server=$SERVER_PID
	defer kill "$server"
}
start_server

# ask <line>: the answer is in $ANSWER
ask() {
	local text
	ANSWER=''
	echo "$*" >&"$server_in"
	while IFS= read -r -u "$server_out" text; do
		case $text in
		.)	return ;;
		!\ *)	fail "$*: ${text#! }" ;;
		*)	ANSWER+="${ANSWER:+$'\n'}$text" ;;
		esac
	done
	fail "$*: no answer"
}

poke() {
	ask "$@"
	[[ -z $ANSWER ]] || echo "$ANSWER"
}

# The tool as it was built; the chains that it registers end with the case
export REDO_CHAINS=$SCRATCH/chains
redosetup() {
	LD_LIBRARY_PATH=$TOP/build/userspace "$TOP/build/userspace/redosetup" "$@"
}

# tool_refuses <status> <text> <argument>...: redosetup must fail with that exit
# status and one line on stderr that has <text> (an extended regular expression)
tool_refuses() {
	local wanted=$1 text=$2 status=0
	shift 2
	redosetup "$@" > "$SCRATCH/.out" 2> "$SCRATCH/.err" || status=$?
	[[ $status -eq $wanted ]] ||
		fail "redosetup $*: exit status $status, expected $wanted: $(cat "$SCRATCH/.err")"
	grep -qE -- "$text" "$SCRATCH/.err" ||
		fail "redosetup $*: does not say \"$text\": $(cat "$SCRATCH/.err")"
	[[ $wanted -ne 1 || $(wc -l < "$SCRATCH/.err") -eq 1 ]] ||
		fail "redosetup $*: more than one line: $(cat "$SCRATCH/.err")"
}

# need_redo: the module must be loaded
need_redo() {
	dmsetup targets | grep -q '^redo ' || fail "the redo target is not there"
}

# line <base> [<delta>...] [-- <feature>...]: the table line of such a chain
line() {
	local base=$1 n deltas=() features=''
	shift
	while [[ $# -gt 0 && $1 != -- ]]; do
		deltas+=("$1")
		shift
	done
	if [[ $# -gt 1 ]]; then
		shift
		features=" $# $*"
	fi
	n=${#deltas[@]}
	echo "0 $(sectors "$base") redo $base $n${deltas[*]:+ ${deltas[*]}}$features"
}

# mkchain <name> <base> [<delta>...] [-- <feature>...]
mkchain() {
	local name=$1
	shift
	# no pipe: mkdm must not be in a subshell
	mkdm "$name" <<< "$(line "$@")"
}

# mkview <name> <base> [<delta>...]: read-only
mkview() {
	local name=$1
	shift
	mkdm "$name" -r <<< "$(line "$@")"
}

# reload <order> <name> <base> [<delta>...] [-- <feature>...]; the order is "lsr"
# (load, suspend, resume) or "slr"
reload() {
	local order=$1 name=$2 new
	shift 2
	new=$(line "$@")
	[[ $order == slr ]] && dmsetup suspend "$name"
	dmsetup load "$name" --table "$new"
	[[ $order == lsr ]] && dmsetup suspend "$name"
	dmsetup resume "$name"
}

# log_mark <text>, log_read: the kernel's messages from the mark on are in $LOG then
log_mark() {
	echo "redo-test: $*" > /dev/kmsg
	ask mark
}

log_read() {
	ask log
	LOG=$ANSWER
}

# log_names <device> [<text>]: a line of $LOG has the device, by name or by number,
# and <text>, an extended regular expression
log_names() {
	local short=${1#/dev/} number line
	if [[ -e /sys/block/$short/dev ]]; then
		read -r number < "/sys/block/$short/dev"
	else
		number=$(stat -L -c '%Hr:%Lr' "$1")
	fi
	while read -r line; do
		[[ $line =~ (^|[^a-z0-9:])($short|$number)([^0-9]|$) && $line =~ ${2:-.} ]] && return
	done <<< "$LOG"
	return 1
}

# refused <text> <device> <line> [<dmsetup create option>...]: creating a device
# with this line must fail, and the kernel log must have <text> (an extended
# regular expression) and a line that names the <device>.  "-": whichever device.
refused() {
	local text=$1 disk=$2 table=$3
	shift 3
	log_mark refused
	if dmsetup create refused --table "$table" "$@" > "$SCRATCH/.refused" 2>&1; then
		dmsetup remove --retry refused
		fail "accepted: $table"
	fi
	log_read
	[[ $disk == - ]] || log_names "$disk" || fail "refused without naming $disk: $table: $LOG"
	[[ $LOG =~ $text ]] || fail "refused without saying \"$text\": $table: $LOG"
}

# status <name> [<word>]: the status line after the target's name, or its n-th
# word, from 1; see redo-proto.h
status() {
	local words
	read -ra words < <(dmsetup status "$1")
	if [[ $# -eq 1 ]]; then
		echo "${words[*]:3}"
	else
		echo "${words[2 + $2]}"
	fi
}

readonly ST_MODE=1 ST_DELTAS=2 ST_GRAIN=3 ST_UNITS=4 ST_TAKEN=5 ST_USED=6 \
	ST_META=7 ST_DIRTY=8 ST_JOURNAL=9 ST_SPACE=10 ST_LEAVES=11 \
	ST_COMMITS=12 ST_CHECKPOINTS=13 ST_UUID=14

# wait_for <seconds> <command> <argument>...: until it succeeds
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || fail "waited in vain for: $*"
		sleep 0.1
	done
}

status_is() {
	[[ $(status "$1" "$2") == "$3" ]]
}

# is_clean <delta>: nothing in its journal that its map does not cover.  The last
# checkpoint of a sealed delta is made a while after the snapshot.
is_clean() {
	[[ $(($(poke "$1" get sb flags) & 4)) -ne 0 ]]
}

# sums <device>...: one line of checksum for each, whole
sums() {
	local d
	for d; do
		blockdev --flushbufs "$d"
		echo "$(cksum < "$d") $d"
	done
}

# writes <loop device>...: how many writes and discards each has done, for a check that
# there was none.  A request is counted after its bios have ended, so that a writer that
# has returned may not be in the count yet: it stays in flight until it is.
writes() {
	local d w
	for d; do
		read -ra w < "/sys/block/${d#/dev/}/stat"
		while ((w[8])); do
			sleep 0.01
			read -ra w < "/sys/block/${d#/dev/}/stat"
		done
		echo "$d ${w[4]} ${w[11]}"
	done
}

# queue <device> <attribute>: of its request queue
queue() {
	cat "/sys/dev/block/$(stat -L -c '%Hr:%Lr' "$1")/queue/$2"
}

# Number of dm events that the device has had
events() {
	dmsetup info -c --noheadings -o events "$1" | tr -d ' '
}

# keep <name> <model>: a copy of a model, as content of a snapshot point
keep() {
	cp --sparse=always "$SCRATCH/$2" "$SCRATCH/$1"
}

# Compare a device with a model, whole, from the devices
holds() {
	[[ -s $SCRATCH/$2 ]] || fail "there is no model $2"
	rio --model "$SCRATCH/$2" "$1" v || fail "$1 and $2 differ"
}

# A delta that the tool or the kernel has made is as large as its disk; only
# what is used of it takes space in the guest's memory
need_redo
