# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 600
#
# redosetup delete: points of a chain that is in use and of one that is not active, in
# the middle and the oldest; what is left is what it was. Holders are named and refused.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

mkdisk base 16M
for d in d1 d2 d3 d4 r1 c1; do
	mkdisk $d 32M
done
rio "$base" "w 0 16M 1"
dev=/dev/mapper/vm
forget() {
	local d
	for d in v vm-s1 vm-s2 vm-s3 vm-s4 lab vm-redo-merge vm; do
		rmdm $d
	done
}
defer forget

redosetup init vm "$base"
rio --model "$SCRATCH/model" $dev "q 0 16M 1" "w 0 64k 2" f
n=0
for d in "$d1" "$d2" "$d3" "$d4"; do
	n=$((n + 1))
	redosetup snapshot vm@s$n --delta "$d"
	keep s$n model
	rio --model "$SCRATCH/model" $dev "x 30 $n 256k" "d ${n}M 512k" f
done

# points <snapshot>...: these are there and show what they held, and no others
points() {
	local s
	[[ $(redosetup list --noheadings -o snapshots vm | xargs) == "$(IFS=,; echo "$*")" ]] ||
		fail "snapshots: $(redosetup list -o snapshots vm), expected $*"
	for s; do
		redosetup view --name v vm@$s > /dev/null
		holds /dev/mapper/v $s
		redosetup view --remove v
	done
	holds $dev model
}

# is_free <delta>: nobody holds it, and it is no part of a chain any more
is_free() {
	[[ -z $(ls "/sys/block/${1#/dev/}/holders") ]] || fail "$1 is held"
	[[ $(poke "$1" get sb state) -eq 4 ]] || fail "$1 is not retired"
	[[ $(redosetup list --deltas --noheadings -o role --device "$1" | xargs) == free ]] ||
		fail "$1: $(redosetup list --deltas --device "$1")"
}
points s1 s2 s3 s4

# who stands in the way has a name
redosetup view vm@s2 > /dev/null
tool_refuses 1 'vm@s2: is in use by view vm-s2,' delete -y vm@s2
tool_refuses 1 'vm@s1: is in use by view vm-s2,' delete -y vm@s1
redosetup view --remove vm-s2
redosetup clone vm@s3 lab --delta "$c1"
keep lab s3
tool_refuses 1 'vm@s3: is in use by chain lab .*active chain lab' delete -y vm@s3
tool_refuses 1 'lab' delete -y vm@s2
redosetup deactivate lab
# it is on the disks alone now
tool_refuses 1 "vm@s3: is in use by chain lab \\($c1\\)" delete -y vm@s3
tool_refuses 1 'chain lab' delete -y --all vm
tool_refuses 1 'no snapshot s9' delete -y vm@s9
tool_refuses 1 'no such chain' delete -y nobody@s1
tool_refuses 2 'expects' delete -y vm
tool_refuses 2 'expects' delete -y --all vm@s1
tool_refuses 2 'wipe' delete -y --wipe=much vm@s1
tool_refuses 2 'throttle' delete -y --throttle 0 vm@s1
tool_refuses 1 's1: the snapshot is deleted.*-y' delete vm@s1 < /dev/null
points s1 s2 s3 s4

# what would be done, without doing it
redosetup delete --dry-run vm@s1 > "$SCRATCH/out"
grep -q "would merge $d1 (.*) into $base" "$SCRATCH/out" || fail "dry run: $(cat "$SCRATCH/out")"
points s1 s2 s3 s4

# the oldest goes into the base, though a clone stands on what is above it; then the
# clone is another content's no more than before
redosetup delete -y vm@s1 > "$SCRATCH/out"
grep -q "$d1: .*free" "$SCRATCH/out" || fail "delete: $(cat "$SCRATCH/out")"
is_free "$d1"
status_is vm $ST_DELTAS 3 || fail "after delete: $(status vm)"
points s2 s3 s4
redosetup activate lab
holds /dev/mapper/lab lab
redosetup deactivate lab

# the middle, while it is written to
poke "$c1" wipe sbs > /dev/null
rio --model "$SCRATCH/model" $dev "x 30 9 256k" f
redosetup delete -y vm@s3
is_free "$d3"
points s2 s4
[[ $(redosetup tree vm) != *LOST* ]] || fail "tree: $(redosetup tree vm)"

# not active: for that it comes up under a name of its own
redosetup deactivate vm
redosetup delete -v -y --wipe=discard vm@s2 > "$SCRATCH/out"
[[ $(dmsetup ls) == 'No devices found' ]] || fail "left after an offline delete: $(dmsetup ls)"
cmp -n "$(blockdev --getsize64 "$d2")" "$d2" /dev/zero || fail "$d2 was not discarded"
redosetup activate vm
points s4
status_is vm $ST_DELTAS 1 || fail "after the offline delete: $(status vm)"

# new deltas can go on top: the depth is that of what is left
redosetup snapshot vm@s5 --delta "$r1"
keep s5 model
rio --model "$SCRATCH/model" $dev "x 10 10 256k" f
points s4 s5
redosetup deactivate vm
for d in "$d4" "$r1"; do
	redosetup check "$d" > "$SCRATCH/check" || fail "check $d: $(cat "$SCRATCH/check")"
done
redosetup check vm > "$SCRATCH/check" || fail "check vm: $(cat "$SCRATCH/check")"
