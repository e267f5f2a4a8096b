# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
# timeout: 600
#
# Tracking goes on through merges of every kind, and none of them is a change: whatever
# differs between two points is in the answer, with writes meanwhile.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"
. "$TOP/tests/lib/cbt.sh"

dev=/dev/mapper/chain

# stack <n>: base and so many deltas with something in each, tracked; p<i> is a copy of what
# the disk was when ids[i] began
stack() {
	local i ops j
	fresh base 32M
	mkstore store
	rio "$base" "w 0 32M 1"
	mkchain chain "$base" -- cbt "$store"
	deltas=() ids=("$(id chain)")
	point p0 chain
	for ((i = 1; i <= $1; i++)); do
		fresh "d$i" 64M
		local name=d$i
		deltas+=("${!name}")
		reload lsr chain "$base" "${deltas[@]}" -- cbt "$store"
		ids+=("$(id chain)")
		point "p$i" chain
		ops=()
		for ((j = 0; j < 24; j++)); do
			ops+=("w $((RANDOM * RANDOM % 7900 * 4))k 8k $((i * 1000 + j))")
		done
		rio $dev "${ops[@]}" "d $((i * 4))M 128k" f
	done
}

# pairs: of all points, and the present
pairs() {
	local i n=${#ids[@]}
	point now chain
	for ((i = 0; i < n; i++)); do
		covers chain "${ids[i]}" now "p$i" now
		((i + 1 >= n)) || covers chain "${ids[i]}" "${ids[i + 1]}" "p$i" "p$((i + 1))"
	done
}
# under <command>...: while somebody writes
under() {
	rio_exec $dev "x 4000 $RANDOM 64k" > /dev/null 2>&1 &
	local writer=$!
	"$@"
	kill $writer 2> /dev/null || true
	wait $writer || true
}

# exact <what>: after a mark nothing is said to have changed, whatever the merge has copied
exact() {
	local id
	id=$(message chain cbt_mark)
	rio $dev "w 1M 4k 90" f
	expect_changed chain "$id" now 16
	[[ $(id chain) == "$id" ]] || fail "$1: $(id chain)"
}

# ---- sealed into sealed, and into the base: nothing changes --------------------
stack 3
id=$(id chain)
rio $dev "w 5M 4k 91" f
changed chain "$id" now
was=$CHANGED
merged chain "$d2"
merged chain "$d1"
changed chain "$id" now
[[ $CHANGED == "$was" ]] || fail "merges have marked: \"$CHANGED\", before \"$was\""
pairs
cbt_is chain ok || fail "$(status chain)"
reload_shown chain
[[ $(id chain) == "$id" ]] || fail "the shortened line began an epoch"
pairs
# to the base, which is now what d2 was when it was sealed
fresh r1 64M
reload lsr chain "$base" "$r1" -- cbt "$store"
cmp "/dev/mapper/chain" "$SCRATCH/p3" || fail "the base is not p3"
point now chain
for i in 0 1 2 3; do
	covers chain "${ids[i]}" now "p$i" now
done
rmdm chain

# ---- the active one into a delta, then into the base, under writes ----------------
stack 2
under merged chain "$d2"
pairs
exact "active into a delta"
rmdm chain
mkchain chain "$base" "$d1" -- cbt "$store"
cbt_is chain ok || fail "after the merge: $(status chain)"
pairs
under merged chain "$d1"
status_is chain $ST_MODE passthrough || fail "$(status chain)"
pairs
exact "active into the base"
# without deltas it goes on, over a new start, and up to the next snapshot
rio $dev "w 7M 4k 92" "d 8M 1M" "z 9M 64k" f
pairs
reload_shown chain
pairs
rmdm chain
mkchain chain "$base" -- cbt "$store"
cbt_is chain ok || fail "passthrough after a merge: $(status chain)"
pairs
fresh n1 64M
reload lsr chain "$base" "$n1" -- cbt "$store"
rio $dev "w 11M 64k 93" f
pairs
rmdm chain

# ---- delete-all under writes --------------------------------------------------------
stack 3
merge_everything() {
	message chain merge_all unshared > /dev/null
	merge_ends chain 120
}
under merge_everything
status_is chain $ST_MODE passthrough || fail "$(status chain)"
pairs
exact "delete-all"
rmdm chain

# ---- snapshots and marks while something merges ------------------------------------
stack 2
message chain merge_throttle 1MiB > /dev/null
message chain merge "$(uuid_of "$d2")" unshared > /dev/null
rio $dev "w 12M 256k 94" f
ids+=("$(message chain cbt_mark during)")
point p3 chain
rio $dev "w 13M 256k 95" f
fresh s3 64M
reload lsr chain "$base" "$d1" "$d2" "$s3" -- cbt "$store"
ids+=("$(id chain)")
point p4 chain
rio $dev "w 14M 256k 96" f
pairs
message chain merge_throttle 100 > /dev/null
merge_ends chain
pairs
# a cut in the middle: the merge goes on, and so does the tracking
message chain merge_throttle 1MiB > /dev/null
rio $dev "w 16M 4M 98" f
message chain merge "$(uuid_of "$s3")" unshared > /dev/null
rio $dev "w 15M 256k 97" f
rmdm chain
mkchain chain "$base" "$d1" "$s3" -- cbt "$store"
cbt_is chain ok || fail "$(status chain)"
pairs
status_is chain $ST_MERGE none || merge_ends chain	# it may have got to its end before
pairs
