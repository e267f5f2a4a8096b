# SPDX-License-Identifier: GPL-2.0-or-later
#
# Merges, for test cases.  Sourced after redo.sh.

readonly ST_MERGE=15 ST_KIND=16 ST_SOURCE=17 ST_TARGET=18 ST_PROGRESS=19 ST_RATE=20 \
	ST_THROTTLE=21 ST_ERROR=22

# message <name> <word>...: its answer
message() {
	local name=$1
	shift
	dmsetup message "$name" 0 "$@"
}

# uuid_of <delta>: as the kernel prints it
uuid_of() {
	local u
	u=$(poke "$1" get sb uuid)
	echo "${u:0:8}-${u:8:4}-${u:12:4}-${u:16:4}-${u:20}"
}

# merge_ends <name> [<seconds>]: the merge is done; anything else is a failure
merge_ends() {
	local end=$((SECONDS + ${2:-60})) word
	while :; do
		word=$(status "$1" $ST_MERGE)
		case $word in
		done)	return ;;
		running | full)	;;
		*)	fail "the merge is $word: $(status "$1")" ;;
		esac
		((SECONDS < end)) || fail "the merge does not end: $(status "$1")"
		sleep 0.1
	done
}

# merged <name> <delta>: merge it, wait, and see that the line has gone without it
merged() {
	message "$1" merge "$(uuid_of "$2")" unshared > /dev/null
	merge_ends "$1"
}

# shown <name>: the table line as the target shows it
shown() {
	dmsetup table "$1"
}

# reload_shown <name>: what a tool does at the end of a merge
reload_shown() {
	dmsetup load "$1" --table "$(shown "$1")"
	dmsetup suspend "$1"
	dmsetup resume "$1"
}

# message_refused <text> <name> <word>...: it must fail, and the log have <text>
message_refused() {
	local text=$1
	shift
	log_mark message
	! message "$@" > /dev/null 2>&1 || fail "accepted: $*"
	log_read
	[[ $LOG =~ $text ]] || fail "refused without saying \"$text\": $*: $LOG"
}

# merge_state <delta>: what its superblock says
merge_state() {
	echo $(($(poke "$1" get sb merge_state)))
}

# merge_is <name> <state> [<seconds>]: it gets there
merge_is() {
	local end=$((SECONDS + ${3:-30}))
	until status_is "$1" $ST_MERGE "$2"; do
		((SECONDS < end)) || fail "the merge is not $2: $(status "$1")"
		sleep 0.1
	done
}
