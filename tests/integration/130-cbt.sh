# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 6.12
# timeout: 400
#
# Tracking is turned on at any depth, and what it says is exact to the block; ids, lists,
# pages of an answer, and everything that a message refuses, by its errno.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/cbt.sh"

dev=/dev/mapper/chain
K64=65536

# disks <depth>: an untracked chain of so many deltas, and a blank store
disks() {
	local i
	fresh base 64M
	mkstore store
	rio "$base" "w 0 1M 1"
	mkchain chain "$base"
	deltas=()
	for ((i = 1; i <= $1; i++)); do
		fresh "d$i" 96M
		local name=d$i
		deltas+=("${!name}")
		reload lsr chain "$base" "${deltas[@]}"
		rio $dev "w $((i * 100))k 4k $i" f
	done
}

for depth in 0 1 3; do
	disks $depth
	cbt_is chain off || fail "status: $(status chain)"
	refuses "$E_NODATA" chain cbt_mark
	refuses "$E_NODATA" chain cbt_list
	refuses "$E_NODATA" chain cbt_drop x/1
	reload lsr chain "$base" "${deltas[@]}" -- cbt "$store"
	cbt_is chain ok || fail "depth $depth: $(status chain)"
	first=$(id chain)
	[[ $(number "$first") == 1 ]] || fail "first id: $first"
	expect_changed chain "$first" now

	# first writes, overwrites, parts, borders of blocks, the end of the disk
	rio $dev "w 0 512 10" "w $((7 * K64 - 512)) 1024 11" "w 1M 128k 12" "w 1M 4k 13" \
		"w $((64 * 1048576 - 512)) 512 14" "z 4M 4k" "z $((6 * 1048576 + 512)) 512" f
	all=(0 6 7 16 17 64 96 1023)
	if ((depth)); then
		# whole grains only; what has none changes nothing
		rio $dev "d 2M 64k" "d $((3 * 1048576 + 2048)) 8k" "d $((5 * 1048576 + 512)) 4k" f
		all=(0 6 7 16 17 32 48 64 96 1023)
	fi
	expect_changed chain "$first" now "${all[@]}"
	# an overwrite of what is marked, a read: nothing new
	rio $dev "w 1M 64k 15" "q $((20 * K64)) 64k 99" 2> /dev/null || true
	expect_changed chain "$first" now "${all[@]}"

	second=$(message chain cbt_mark before-lunch)
	[[ $second == "$(id_of "$first" 2)" && $(id chain) == "$second" ]] || fail "mark: $second"
	expect_changed chain "$first" "$second" "${all[@]}"
	expect_changed chain "$second" now
	expect_changed chain "$second" "$second"
	rio $dev "w $((5 * K64)) 64k 16" "w 1M 512 17" f
	expect_changed chain "$second" now 5 16
	expect_changed chain "$first" "$second" "${all[@]}"
	changed chain "$first" now
	[[ $CHANGED == "$(printf '%s\n' 5 "${all[@]}" | sort -n | xargs)" ]] ||
		fail "all: $CHANGED"

	# cut to what was asked for
	[[ $(message chain cbt_query "$second" now 2050 10) == "2050+10 end" ]] ||
		fail "cut: $(message chain cbt_query "$second" now 2050 10)"
	[[ $(message chain cbt_query "$second" now 640 128) == "640+128 end" ]] || fail "exactly"
	[[ $(message chain cbt_query "$second" now 639 1) == end ]] || fail "before"
	[[ $(message chain cbt_query "$second" now 768 1) == end ]] || fail "behind"
	[[ $(message chain cbt_query "$second" now 0 0) == end ]] || fail "none"
	[[ $(message chain cbt_query "$second" now 131072 0) == end ]] || fail "none at the end"

	# the list
	uuid=${first%/*}
	list=$(message chain cbt_list)
	[[ $list =~ ^$uuid,128,2\ 1,[0-9]+,enable,1,-\ 2,[0-9]+,mark,2,before-lunch\ end$ ]] ||
		fail "list: $list"
	[[ $(message chain cbt_list 2) =~ ^$uuid,128,2\ 2,[0-9]+,mark,2,before-lunch\ end$ ]] ||
		fail "list from 2: $(message chain cbt_list 2)"

	# refused
	other=00000000-1111-2222-3333-444444444444
	refuses "$E_NOENT" chain cbt_query "$(id_of "$first" 3)" now 0 8
	refuses "$E_NOENT" chain cbt_query "$(id_of "$first" 0)" now 0 8
	refuses "$E_NOENT" chain cbt_query "$first" "$(id_of "$first" 99)" 0 8
	refuses "$E_XDEV" chain cbt_query "$other/1" now 0 8
	refuses "$E_XDEV" chain cbt_query "$first" "$other/1" 0 8
	refuses "$E_INVAL" chain cbt_query "$second" "$first" 0 8
	refuses "$E_RANGE" chain cbt_query "$first" now 131072 1
	refuses "$E_RANGE" chain cbt_query "$first" now 0 131073
	for wrong in 1 "$uuid" "$uuid/" "$uuid/x" "$uuid/-1" "x$uuid/1" now; do
		refuses "$E_INVAL" chain cbt_query "$wrong" now 0 8
	done
	refuses "$E_INVAL" chain cbt_query "$first" now 0
	refuses "$E_INVAL" chain cbt_query "$first" now x 8
	refuses "$E_INVAL" chain cbt_query "$first" now 0 8 9
	refuses "$E_INVAL" chain cbt_mark two words
	refuses "$E_INVAL" chain cbt_mark "$(printf 'x%.0s' {1..64})"
	refuses "$E_INVAL" chain cbt_mark "a,b"
	refuses "$E_INVAL" chain cbt_list x
	refuses "$E_INVAL" chain cbt_frobnicate
	[[ $(id chain) == "$second" ]] || fail "a refused mark was made: $(id chain)"
	label=$(printf 'x%.0s' {1..63})
	third=$(message chain cbt_mark "$label")
	[[ $(message chain cbt_list 3) =~ ,3,$label\ end$ ]] || fail "long label"

	# a dropped id is stale, the others answer as before
	message chain cbt_drop "$second"
	refuses "$E_STALE" chain cbt_query "$second" now 0 8
	changed chain "$first" now
	[[ $CHANGED == "$(printf '%s\n' 5 "${all[@]}" | sort -n | xargs)" ]] ||
		fail "after a drop: $CHANGED"
	expect_changed chain "$third" now
	refuses "$E_STALE" chain cbt_drop "$second"
	refuses "$E_BUSY" chain cbt_drop "$third"
	refuses "$E_NOENT" chain cbt_drop "$(id_of "$first" 9)"
	refuses "$E_XDEV" chain cbt_drop "$other/1"
	fourth=$(message chain cbt_mark)
	message chain cbt_drop "$first"
	refuses "$E_STALE" chain cbt_query "$first" now 0 8
	expect_changed chain "$third" "$fourth"

	# the line shows the store, and loads again
	dmsetup table chain | grep -qE ' 2 cbt [0-9]+:[0-9]+$' || fail "table: $(dmsetup table chain)"
	dmsetup load chain --table "$(dmsetup table chain)"
	dmsetup suspend chain
	dmsetup resume chain
	[[ $(id chain) == "$fourth" ]] || fail "a reload began an epoch: $(id chain)"
	rio $dev "w 40M 4k 20" f
	expect_changed chain "$fourth" now 640
	# suspended: marks and questions have nothing to wait for
	dmsetup suspend chain
	fifth=$(timeout 20 dmsetup message chain 0 cbt_mark) || fail "a mark while suspended hangs"
	expect_changed chain "$fourth" "$fifth" 640
	dmsetup resume chain
	rmdm chain
done

# more than one page
mkdisk big 320M
fresh d1 352M
mkstore store
mkchain chain "$big" "$d1" -- cbt "$store"
first=$(id chain)
ops=() blocks=()
for ((b = 1000; b < 5100; b += 2)); do
	ops+=("w $((b * 64))k 512 $b")
	blocks+=("$b")
done
rio $dev "${ops[@]}" f
expect_changed chain "$first" now "${blocks[@]}"
((PAGES > 1)) || fail "one page for ${#blocks[@]} items"
note "$PAGES pages"

# marks while somebody writes: between two of them is what was written then, nothing is lost
point before chain
rio_exec $dev "x 400 7 128k" "x 400 8 4k" > /dev/null 2>&1 &
writer=$!
ids=("$(id chain)")
for ((i = 0; i < 12; i++)); do
	ids+=("$(message chain cbt_mark)")
	sleep 0.2
done
wait $writer || true
point after chain
covers chain "${ids[0]}" now before after
changed chain "${ids[0]}" now
whole=$CHANGED parts=''
for ((i = 0; i < ${#ids[@]}; i++)); do
	changed chain "${ids[i]}" "${ids[i + 1]:-now}"
	parts+=" $CHANGED"
done
[[ $whole == "$(printf '%s\n' $parts | sort -nu | xargs)" ]] || fail "parts and whole differ"
