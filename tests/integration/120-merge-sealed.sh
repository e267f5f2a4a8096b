# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean
# timeout: 400
#
# Sealed deltas are merged: one in the middle into its parent, the oldest into the base,
# while the chain is written to. Every point that is left is what it was.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

mkdisk base 24M
for d in d1 d2 d3 d4 d5; do
	mkdisk $d 64M
done
rio "$base" "w 0 24M 1"
mkchain chain "$base" "$d1"
chain=("$base" "$d1")
for d in 1 2 3 4; do
	rio --model "$SCRATCH/model" /dev/mapper/chain "x 60 $d 512k" "d ${d}M 3M" f
	keep p$((d + 1)) model		# what is below d(n + 1)
	next=d$((d + 1))
	chain+=("${!next}")
	reload lsr chain "${chain[@]}"
done
rio --model "$SCRATCH/model" /dev/mapper/chain "x 30 5 256k" f

# the middle: d3 into d2. Its point goes (p3), the others stay
before=$(status chain $ST_DELTAS)
[[ $(message chain merge "$(uuid_of "$d3")") == "merging $(uuid_of "$d3") into $(uuid_of "$d2")" ]] ||
	fail "the answer to merge"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 6 256k" f v
merge_ends chain
[[ $(status chain $ST_DELTAS) -eq $((before - 1)) ]] || fail "deltas: $(status chain)"
[[ $(shown chain) == "0 49152 redo "*" 4 "* ]] || fail "the line: $(shown chain)"
holds /dev/mapper/chain model
[[ $(merge_state "$d3") -eq 6 && $(poke "$d3" get sb state) -eq 4 ]] || fail "d3 is not gone"
[[ $(merge_state "$d2") -eq 0 && $(poke "$d2" get sb state) -eq 3 ]] || fail "d2 is not itself"
# before the reload, after it, and found again: also by a line that still has d3
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 7 256k" f v
reload_shown chain
holds /dev/mapper/chain model
mkview v "$base" "$d1" "$d2"
holds /dev/mapper/v p4
rmdm v
mkview v "$base" "$d1" "$d2" "$d3"	# the same content, and d2 has it
holds /dev/mapper/v p4
rmdm v
rmdm chain
mkchain chain "$base" "$d1" "$d2" "$d3" "$d4" "$d5"
[[ $(status chain $ST_DELTAS) -eq 4 ]] || fail "deltas: $(status chain)"
holds /dev/mapper/chain model
reload lsr chain "$base" "$d1" "$d2" "$d4" "$d5"

# the oldest into the base, with a snapshot in the middle
mkdisk d6 64M
message chain merge_throttle 20 > /dev/null
message chain merge "$(uuid_of "$d1")" > /dev/null
keep p6 model
reload slr chain "$base" "$d1" "$d2" "$d4" "$d5" "$d6"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 8 256k" f v
message chain merge_throttle 100 > /dev/null
merge_ends chain
[[ $(status chain $ST_TARGET) == base ]] || fail "target: $(status chain)"
reload_shown chain
holds /dev/mapper/chain model
mkview v "$base"
holds /dev/mapper/v p2
rmdm v
mkview v "$base" "$d2"
holds /dev/mapper/v p4
rmdm v
refused 'merged into what is below' "$d1" "$(line "$base" "$d1")" -r
mkview v "$base" "$d2" "$d4"
holds /dev/mapper/v p5
rmdm v
mkview v "$base" "$d2" "$d4" "$d5"
holds /dev/mapper/v p6
rmdm v

# all that is sealed, one after the other
merged chain "$d5"
merged chain "$d4"
merged chain "$d2"
[[ $(status chain $ST_DELTAS) -eq 1 ]] || fail "deltas: $(status chain)"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 9 256k" f v
rmdm chain
mkchain chain "$base" "$d6"
holds /dev/mapper/chain model
mkview v "$base"
holds /dev/mapper/v p6

# the slowest there is, in small steps: it gets on
dd if=/dev/zero of="$d1" bs=64k count=1 conv=fsync,notrunc status=none
rmdm v
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 8M 10" f
reload lsr chain "$base" "$d6" "$d1"
message chain merge_throttle 1MiB > /dev/null
message chain merge "$(uuid_of "$d6")" > /dev/null
gets_on() {
	local done_of
	done_of=$(status chain $ST_PROGRESS)
	((${done_of%/*} >= 512))
}
wait_for 30 gets_on
message chain merge_throttle 100 > /dev/null
merge_ends chain
holds /dev/mapper/chain model
