# SPDX-License-Identifier: GPL-2.0-or-later
#
# Changed block tracking, for test cases.  Sourced after redo.sh.

readonly ST_CBT=23 ST_CBT_ID=24 ST_CBT_STORE=25
cbt_py=$TOP/tests/lib/cbt.py

# Sectors of a block of the store
BLOCK=128

# message <name> <word>...: its answer
[[ $(type -t message) == function ]] || message() {
	local name=$1
	shift
	dmsetup message "$name" 0 "$@"
}

# id <name>: the present change id; number <id>; id_of <id> <n>: another one of that store
id() {
	status "$1" $ST_CBT_ID
}
number() {
	echo "${1##*/}"
}
id_of() {
	echo "${1%/*}/$2"
}

# cbt_is <name> <word>
cbt_is() {
	status_is "$1" $ST_CBT "$2"
}

# answer <name> <word>...: one answer of a message that may have to wait for a rebuilding
answer() {
	local end=$((SECONDS + 60)) text
	until text=$(message "$@" 2>&1); do
		[[ $text == *"temporarily unavailable"* ]] || { echo "$text" >&2; return 1; }
		((SECONDS < end)) || fail "is being rebuilt for ever: $*"
		sleep 0.1
	done
	echo "$text"
}

# ranges <name> <from> <to> [<start> <sectors>]: all items, page after page, into $RANGES; how many
# pages into $PAGES
ranges() {
	local name=$1 from=$2 to=$3 start=${4:-0} end text
	end=$((start + ${5:-$(blockdev --getsz "/dev/mapper/$name") - start}))
	RANGES='' PAGES=0
	while :; do
		text=$(answer "$name" cbt_query "$from" "$to" "$start" $((end - start))) ||
			fail "no answer to $from $to $start $((end - start))"
		PAGES=$((PAGES + 1))
		RANGES+=${text% *}' '
		case $text in
		end)		RANGES=${RANGES% end }; [[ $RANGES == end\  ]] && RANGES=''; return ;;
		*\ end)		return ;;
		next=*)		RANGES=${RANGES% next=* }; [[ $RANGES == next=* ]] && RANGES=''
				start=${text#next=} ;;
		*next=*)	start=${text##*next=} ;;
		*)		fail "answer without an end: $text" ;;
		esac
	done
}

# changed <name> <from> <to>: numbers of blocks, in one line
changed() {
	local item start len b out=()
	ranges "$@"
	for item in $RANGES; do
		start=${item%+*} len=${item#*+}
		for ((b = start / BLOCK; b * BLOCK < start + len; b++)); do
			out+=("$b")
		done
	done
	CHANGED=${out[*]-}
}

# expect_changed <name> <from> <to> [<block>|<first>-<last>]...: these and no others
expect_changed() {
	local name=$1 from=$2 to=$3 w out=()
	shift 3
	for w; do
		case $w in
		*-*)	mapfile -t -O ${#out[@]} out < <(seq "${w%-*}" "${w#*-}") ;;
		*)	out+=("$w") ;;
		esac
	done
	changed "$name" "$from" "$to"
	[[ $CHANGED == "${out[*]-}" ]] ||
		fail "changed from $from to $to: \"$CHANGED\", expected \"${out[*]-}\""
}

# covers <name> <from> <to> <copy> <copy>: of point(); whatever differs between the copies is in the answer
covers() {
	ranges "$1" "$2" "$3"
	/usr/bin/python3 -S -E "$cbt_py" covers "$SCRATCH/$4" "$SCRATCH/$5" $BLOCK $RANGES > "$SCRATCH/.covers" ||
		fail "changed from $2 to $3, but not in the answer: $(cat "$SCRATCH/.covers")"
}

# refuses <errno's text> <name> <word>...: the message must fail with that errno
refuses() {
	local text=$1 said
	shift
	if said=$(message "$@" 2>&1); then
		fail "accepted: $*: $said"
	fi
	[[ $said == *"$text"* ]] || fail "refused, but not with \"$text\": $*: $said"
}

readonly E_NOENT='No such file or directory' E_XDEV='Invalid cross-device link' \
	E_STALE='Stale file handle' E_UCLEAN='Structure needs cleaning' \
	E_NODATA='No data available' E_INVAL='Invalid argument' \
	E_RANGE='Numerical result out of range' E_BUSY='Device or resource busy'

# point <copy> <name>: the content of a device that nobody writes to
point() {
	cp --sparse=always "/dev/mapper/$2" "$SCRATCH/$1"
}

# fresh <variable> <size>: a disk that nobody has written to, also where there was one
# of that name; mkstore <variable> [<size>]: for a store
fresh() {
	rm -f "$SCRATCH/$1.img"
	mkdisk "$@"
}
mkstore() {
	fresh "$1" "${2:-16M}"
}
