# SPDX-License-Identifier: GPL-2.0-or-later
#
# The message "allocated", its paging, and messages that are wrong.

. "$TOP/tests/lib/redo.sh"

mkdisk base 64M
mkdisk d1 96M
mkdisk d2 96M
mkchain chain "$base" "$d1"

allocated() {
	dmsetup message chain 0 allocated "$@"
}
expect() {
	local got
	got=$(allocated "$1" "$2")
	[[ $got == "$3" ]] || fail "allocated $1 $2: \"$got\", expected \"$3\""
}

expect 0 131072 end
rio /dev/mapper/chain "w 4k 8k 2" "w 1M 512 3" "w 63M 1M 4" f
expect 0 131072 "8+16 2048+8 129024+2048 end"
# clipped to what was asked for
expect 16 8 "16+8 end"
expect 12 2 "12+2 end"
expect 0 8 "end"
expect 24 2000 "end"
expect 131064 8 "131064+8 end"
# zeroes are a change, too
rio /dev/mapper/chain "d 4k 4k" f
expect 0 32 "8+16 end"

# what the active delta holds, or the chain? Anything that is in a delta.
reload lsr chain "$base" "$d1" "$d2"
rio /dev/mapper/chain "w 2M 4k 5" f
expect 0 131072 "8+16 2048+8 4096+8 129024+2048 end"

# more items than an answer holds: paged, and complete
ops=()
for ((i = 0; i < 1500; i++)); do
	ops+=("w $((8192 + i * 16))s 512 6")
done
rio /dev/mapper/chain "${ops[@]}" f
at=0 items=0 pages=0
: > "$SCRATCH/items"
while :; do
	answer=$(allocated $at $((131072 - at)))
	((++pages < 500)) || fail "paging does not end"
	last=${answer##* }
	for word in $answer; do
		case $word in
		end | next=*)	[[ $word == "$last" ]] || fail "\"$word\" in the middle: $answer" ;;
		*)		echo "$word" >> "$SCRATCH/items" ;;
		esac
	done
	case $last in
	end)	break ;;
	next=*)	((${last#next=} > at)) || fail "paging stands still at $at: $last"
		at=${last#next=} ;;
	*)	fail "an answer without an end: ${answer: -100}" ;;
	esac
done
# joined where a page cut them
items=$(awk -F+ '$1 != end { n++ } { end = $1 + $2; s += $2 } END { print n " " s }' "$SCRATCH/items")
[[ $items == "1504 $((16 + 8 + 8 + 2048 + 1500 * 8))" ]] || fail "items and sectors: $items in $pages pages"
note "$pages pages"

# wrong ones
wrong() {
	dmsetup message chain 0 "$@" > /dev/null 2>&1 && fail "accepted: $*"
	return 0
}
wrong frobnicate
wrong allocated
wrong allocated 0
wrong allocated 0 8 8
wrong allocated x 8
wrong allocated 0 x
wrong allocated -1 8
wrong allocated 0 0
wrong allocated 0 131073
wrong allocated 131072 8
wrong allocated 18446744073709551615 8
wrong allocated 8 18446744073709551615
wrong ALLOCATED 0 8
# and the largest that is right
allocated 0 131072 > /dev/null

# on a view and on a chain without deltas
mkview view "$base" "$d1"
[[ $(dmsetup message view 0 allocated 0 4096) == "8+16 2048+8 end" ]] ||
	fail "view: $(dmsetup message view 0 allocated 0 4096)"
rmdm view
rmdm chain
mkchain chain "$base"
expect 0 131072 end
