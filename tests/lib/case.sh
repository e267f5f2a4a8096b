# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a test case has at hand.  Sourced before the case, inside a guest, in a
# bash of the case's own.  A command that fails ends the case as failed, unless
# it is tested (if, ||, !).  The environment:
#	CASE		the case's name
#	KERNEL		uml, 6.1, 6.12 or kcsan
#	TOP		the checkout
#	SCRATCH		an empty directory on tmpfs, gone after the case
#
# A case's header may declare
#	# kernels: uml 6.12	where it runs (default: everywhere but in kcsan)
#	# timeout: 300		seconds until it fails (default 180)

set -eEuo pipefail
trap 'echo "$CASE: line $LINENO: \"$BASH_COMMAND\" returned $?" >&2' ERR
trap run_deferred EXIT

# Exit status by which inside.sh knows a skipped case
readonly SKIPPED=77

deferred=()

# defer <command> <argument>...: run at the end of the case, the latest first
defer() {
	deferred+=("$(printf '%q ' "$@")")
}

run_deferred() {
	local status=$? i
	set +eE
	trap - ERR
	for ((i = ${#deferred[@]} - 1; i >= 0; i--)); do
		eval "${deferred[i]}"
	done
	exit "$status"
}

# fail <message>
fail() {
	echo "$CASE: $*" >&2
	echo "$*" > "$SCRATCH/.reason"
	exit 1
}

# skip <reason>
skip() {
	echo "$*" > "$SCRATCH/.reason"
	exit "$SKIPPED"
}

# note <text>: shown in the result line of a case that passes
note() {
	echo "$*" >> "$SCRATCH/.note"
}

# require <program>...: skip where one is missing
require() {
	local program
	for program in "$@"; do
		type -P "$program" > /dev/null || skip "no $program here"
	done
}

# require_target <name> [<module>]: skip where the kernel has no such dm target
require_target() {
	modprobe -q "${2:-dm-$1}" || true
	dmsetup targets | grep -q "^$1 " || skip "this kernel has no dm target $1"
}

# expect_fail [<text>] -- <command> <argument>...: the command must fail, and say
# <text> (a fixed string) in its output or in the kernel log
expect_fail() {
	local text='' output said
	if [[ $1 != -- ]]; then
		text=$1
		shift
	fi
	shift
	echo "expecting a failure: $*" > /dev/kmsg
	if output=$("$@" 2>&1); then
		fail "should have failed: $*"
	fi
	said=$output$(dmesg | awk '/expecting a failure: / { text = "" }
		{ text = text "\n" $0 }
		END { print text }')
	[[ $said == *"$text"* ]] || fail "failed without saying \"$text\": $*: $said"
}

# mkdisk [--write-through] [--sector N] <variable> <size>: makes a disk (a loop
# device over a sparse file on tmpfs) and puts its path into <variable>.
# --write-through makes it one without a write cache: the block layer then
# completes flushes by itself.
mkdisk() {
	# The caller's variable may have any name but one of these
	local _through='' _options=() _disk
	while [[ $1 == --* ]]; do
		case $1 in
		--write-through)	_through=through ;;
		--sector)		_options+=(-b "$2"); shift ;;
		*)			fail "mkdisk: what is $1?" ;;
		esac
		shift
	done
	truncate -s "$2" "$SCRATCH/$1.img"
	# inside.sh detaches them all at the end
	_disk=$(losetup --show -f "${_options[@]}" "$SCRATCH/$1.img")
	# A loop device keeps what an earlier case has said.
	echo "write ${_through:-back}" > "/sys/block/${_disk#/dev/}/queue/write_cache"
	printf -v "$1" %s "$_disk"
}

# grow_disk <variable> <size>: makes a disk of mkdisk larger
grow_disk() {
	truncate -s "$2" "$SCRATCH/$1.img"
	losetup -c "${!1}"
}

# sectors <device>
sectors() {
	local size=/sys/block/${1#/dev/}/size n
	if [[ -e $size ]]; then
		read -r n < "$size"
		echo "$n"
	else
		blockdev --getsz "$1"
	fi
}

# mkdm <name> [<dmsetup create option>...] <<< table: makes a dm device, removed at
# the end of the case.  (Not behind a pipe: what is deferred there is lost.)
mkdm() {
	dmsetup create "$@"
	defer rmdm "$1"
}

# rmdm <name>: removes a dm device if it is there; somebody (a probe of the new
# device) may still have it open for a moment
rmdm() {
	[[ -e /dev/mapper/$1 ]] || return 0
	dmsetup remove --retry "$1"
}

# same <file or device> <file or device> [<bytes>]
same() {
	cmp ${3:+-n "$3"} "$1" "$2" || fail "$1 and $2 differ"
}

# drop_cache: the next read comes from the devices
drop_cache() {
	sync
	echo 3 > /proc/sys/vm/drop_caches
}
