# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
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

# everything but what is known to be zero: what the base holds is not known
expect 0 131072 "0+131072 end"
rio /dev/mapper/chain "d 4k 8k" "d 63M 1M" f
expect 0 131072 "0+8 24+129000 end"
# clipped to what was asked for
expect 8 16 "end"
expect 12 2 "end"
expect 0 8 "0+8 end"
expect 4 2 "4+2 end"
expect 20 8 "24+4 end"
expect 131064 8 "end"
# written to, in part or whole
rio /dev/mapper/chain "w 8704 512 2" "w 67104768 4k 3" f
expect 0 131072 "0+8 16+129008 131064+8 end"

# a delta on top sees through, and adds its own
reload lsr chain "$base" "$d1" "$d2"
expect 0 131072 "0+8 16+129008 131064+8 end"
rio /dev/mapper/chain "d 1M 4k" "w 63M 4k 5" f
expect 0 131072 "0+8 16+2032 2056+126976 131064+8 end"

# more items than an answer holds: paged, and complete
ops=()
for ((i = 0; i < 4500; i++)); do
	ops+=("d $((8192 + i * 16))s 4k")
done
rio /dev/mapper/chain "${ops[@]}" f
at=0 items=0 pages=0
: > "$SCRATCH/items"
while :; do
	answer=$(allocated $at $((131072 - at)))
	((++pages < 100)) || fail "paging does not end"
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
items=$(awk -F+ 'NR == 1 || $1 != end { n++ } { end = $1 + $2; s += $2 } END { print n " " s }' "$SCRATCH/items")
[[ $items == "4504 $((8 + 2032 + 126976 - 4500 * 8 + 8))" ]] || fail "items and sectors: $items in $pages pages"
((pages > 1)) || fail "all in one answer"
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

wrong allocated 0 131073
wrong allocated 131072 8
wrong allocated 18446744073709551615 8
wrong allocated 8 18446744073709551615
# and the largest and the smallest that are right
allocated 0 131072 > /dev/null
expect 0 0 end

# on a view and on a chain without deltas
mkview view "$base" "$d1"
[[ $(dmsetup message view 0 allocated 0 4096) == "0+8 16+4080 end" ]] ||
	fail "view: $(dmsetup message view 0 allocated 0 4096)"
rmdm view
rmdm chain
mkchain chain "$base"
expect 0 131072 "0+131072 end"
