# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 600
#
# redosetup delete of the active delta, of snapshots on a branch, and of all of them, in
# use and not active: what is left is the base alone, under the chain's name. Devices
# that the tool made go, others are wiped as asked.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

mkdisk base 16M
for d in d1 d2 d3 d4; do
	mkdisk $d 32M
done
rio "$base" "w 0 16M 1"
dev=/dev/mapper/vm
forget() {
	local d
	for d in v vm-redo-merge lab vm; do
		rmdm $d
	done
	rm -f "$SCRATCH"/vm-*.redo
}
defer forget
field() {
	redosetup list --noheadings -o "$1" vm | xargs
}
shows() {
	redosetup view --name v vm@$1 > /dev/null
	holds /dev/mapper/v $1
	redosetup view --remove v
}
change() {
	rio --model "$SCRATCH/model" $dev "x 30 $1 256k" "d $1M 512k" f
}

redosetup init vm "$base"
rio --model "$SCRATCH/model" $dev "q 0 16M 1" "w 0 64k 2" f
tool_refuses 1 'vm: has no snapshot' delete --all -y vm
redosetup snapshot vm@s1 --delta "$d1"
keep s1 model
change 1
redosetup snapshot vm@s2 --size 32m
keep s2 model
change 2
[[ -e $SCRATCH/vm-s2.redo ]] || fail "where is the file of s2? $(ls "$SCRATCH")"

# the active delta; what the tool made is removed
redosetup delete -y vm@s2
[[ ! -e $SCRATCH/vm-s2.redo ]] || fail "the file of s2 is there still"
[[ $(field snapshots) == s1 && $(status vm $ST_MERGE) == none ]] || fail "after s2: $(status vm)"
holds $dev model
shows s1
change 3

# a branch: its snapshots go from the end, and without a merge
redosetup snapshot vm@s3 --delta "$d2"
keep s3 model
change 4
redosetup snapshot vm@s4 --delta "$d3"
keep s4 model
change 5
redosetup revert -y vm@s3 --size 32m > /dev/null
cp --sparse=always "$SCRATCH/s3" "$SCRATCH/model"
change 6
shows s4
tool_refuses 1 "vm@s3: is in use by snapshot vm@s4 \\($d3\\)" delete -y vm@s3
redosetup delete -y vm@s4 > "$SCRATCH/out"
grep -q "$d3: .*free" "$SCRATCH/out" || fail "s4: $(cat "$SCRATCH/out")"
grep -q "$d2: .*free" "$SCRATCH/out" || fail "s4: $(cat "$SCRATCH/out")"
tool_refuses 1 'no snapshot s4' view vm@s4
[[ $(field snapshots) == s1,s3 ]] || fail "after s4: $(field snapshots)"
shows s1
shows s3
holds $dev model
# now nothing stands on s3 but the present state; the data of what goes is wiped
tool_refuses 1 'secure discards; wipe it with --wipe=zeroes' delete -y --wipe=secure vm@s1
holds $dev model
redosetup delete -y vm@s3 > /dev/null
[[ ! -e $SCRATCH/vm-s3-r4.redo ]] || fail "files: $(ls "$SCRATCH")"
redosetup consolidate -y vm > /dev/null
[[ -z $(field consolidation) ]] || fail "left over: $(field consolidation)"
holds $dev model

# the last one: the chain is its base, and goes on as that
redosetup delete -y --wipe vm@s1 > /dev/null
cmp -n 33554432 "$d1" /dev/zero || fail "$d1 was not wiped"
status_is vm $ST_MODE passthrough || fail "after the last: $(status vm)"
holds $dev model
holds "$base" model
redosetup deactivate vm
redosetup activate vm
status_is vm $ST_MODE passthrough || fail "found again: $(status vm)"
holds $dev model

# all at once, with a branch
for n in 1 2 3; do
	d=d$n
	redosetup snapshot vm@a$n --delta "${!d}"
	change $n
done
redosetup revert -y vm@a2 --delta "$d4" > /dev/null
cp --sparse=always "$base" "$SCRATCH/before"
cat $dev > "$SCRATCH/model"
change 4
tool_refuses 1 'vm: all snapshots are deleted \(a1, a2, a3\), .*-y' delete --all vm < /dev/null
redosetup delete --all --dry-run vm > "$SCRATCH/out"
grep -q "would merge all deltas of vm into $base" "$SCRATCH/out" || fail "$(cat "$SCRATCH/out")"
same "$base" "$SCRATCH/before"
redosetup delete --all -y vm > "$SCRATCH/out"
for d in "$d1" "$d2" "$d3" "$d4"; do
	grep -q "$d: .*free" "$SCRATCH/out" || fail "delete --all: $(cat "$SCRATCH/out")"
	[[ -z $(ls "/sys/block/${d#/dev/}/holders") ]] || fail "$d is held"
	dd if=/dev/zero of="$d" bs=1M count=1 conv=notrunc status=none
done
status_is vm $ST_MODE passthrough || fail "after all: $(status vm)"
holds $dev model
holds "$base" model

# nobody of ours sees the end: the register knows that the base may be all there is
redosetup snapshot vm@b1 --delta "$d1"
change 1
redosetup snapshot vm@b2 --delta "$d2"
change 2
cp "$REDO_CHAINS" "$SCRATCH/register"
redosetup delete --all -y --throttle 1MiB vm > /dev/null 2>&1 &
wait_for 30 status_is vm $ST_MERGE running
redosetup consolidate --pause vm
# b1 has gone for good if the first step is over
[[ -z $(field snapshots) && $(field lost) =~ ^(b1,)?b2$ ]] ||
	fail "lost: $(field lost); there: $(field snapshots)"
kill $! # the shell around it
tool=$(pgrep -f 'redosetup delete --all') && kill "$tool"
redosetup consolidate --resume --throttle 100 vm
merge_ends vm
dmsetup remove --retry vm
redosetup activate vm
status_is vm $ST_MODE passthrough || fail "found after all: $(status vm)"
holds $dev model
redosetup consolidate -y vm > /dev/null
[[ -z $(field consolidation)$(field lost) ]] || fail "left over: $(field consolidation)"

# not active
redosetup snapshot vm@c1 --delta "$d1"
change 1
redosetup snapshot vm@c2 --delta "$d2"
change 2
redosetup deactivate vm
redosetup delete --all -y vm > /dev/null
[[ $(dmsetup ls) == 'No devices found' ]] || fail "left: $(dmsetup ls)"
holds "$base" model
redosetup activate vm
status_is vm $ST_MODE passthrough || fail "after an offline delete: $(status vm)"
redosetup deactivate vm

# a clone on a branch, though it is not active: it would lose what it has below
make_blank() {
	local d
	for d in "$d1" "$d2" "$d3" "$d4"; do
		dd if=/dev/zero of="$d" bs=1M count=1 conv=notrunc status=none
	done
}
make_blank
redosetup activate vm
redosetup snapshot vm@e1 --delta "$d1"
change 1
redosetup snapshot vm@e2 --delta "$d2"
keep e2 model
change 2
redosetup revert -y vm@e1 --delta "$d3" > /dev/null
redosetup clone vm@e2 lab --delta "$d4"
redosetup deactivate lab
tool_refuses 1 "vm: is in use by chain lab \\($d4\\)" delete -y --all vm
redosetup activate lab
holds /dev/mapper/lab e2
redosetup deactivate lab
dd if=/dev/zero of="$d4" bs=1M count=1 conv=fsync,notrunc status=none
redosetup view --name v vm@e2 > /dev/null
tool_refuses 1 'vm@e2: is in use by view v,' delete -y vm@e2
redosetup view --remove v
redosetup delete --all -y vm > /dev/null
make_blank

# a file of somebody's own stays, though its name is one that the tool would have given
truncate -s 32M "$SCRATCH/vm-f1.redo"
loop=$(losetup -f --show "$SCRATCH/vm-f1.redo")
defer losetup -d "$loop"
cat $dev > "$SCRATCH/model"
redosetup snapshot vm@f1 --delta "$loop"
change 1
redosetup delete -y vm@f1 > "$SCRATCH/out"
grep -q "$loop: .*free" "$SCRATCH/out" || fail "f1: $(cat "$SCRATCH/out")"
[[ -e $SCRATCH/vm-f1.redo ]] || fail "somebody's file was removed"
holds $dev model

# the register does not take a delta that a revert gave up for the one that all ended with
redosetup snapshot vm@g1 --delta "$d1"
change 1
redosetup revert -y vm@g1 --delta "$d2" > /dev/null
redosetup snapshot vm@g2 --delta "$d3"
redosetup delete -y vm@g1 > /dev/null
[[ $(poke "$d1" get sb merge_state) -eq 6 ]] || fail "$d1 is not gone"
cat $dev > "$SCRATCH/model"
change 2
redosetup delete --all -y --throttle 1MiB vm > /dev/null 2>&1 &
wait_for 30 status_is vm $ST_MERGE running
redosetup consolidate --pause vm
kill $!
tool=$(pgrep -f 'redosetup delete --all') && kill "$tool"
redosetup deactivate vm > /dev/null
tool_refuses 1 'vm: its deltas are not on any device looked at' activate --device "$d1" vm
redosetup activate vm
holds $dev model
redosetup deactivate vm > /dev/null
