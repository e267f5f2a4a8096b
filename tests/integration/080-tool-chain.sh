# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12
#
# A chain's life with redosetup: init, snapshot, view, clone, revert,
# deactivate, activate from what is on the disks; contents compared throughout.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
for d in d1 d2 d3 r1 c1; do
	mkdisk $d 32M
done
rio "$base" "w 0 16M 1"
dev=/dev/mapper/vm
forget() {
	local d
	for d in vm-s1 vm-s2 vm-s3 v lab vm; do
		rmdm $d
	done
}
defer forget

redosetup init vm "$base"
status_is vm $ST_MODE passthrough || fail "after init: $(status vm)"
rio --model "$SCRATCH/model" $dev "q 0 16M 1" "w 0 64k 2" f

redosetup snapshot vm@s1 --delta "$d1" --description 'the first one'
keep s1 model
status_is vm $ST_DELTAS 1 || fail "after a snapshot: $(status vm)"
rio --model "$SCRATCH/model" $dev "x 30 1 256k" f
redosetup snapshot vm@s2 --delta "$d2"
keep s2 model
rio --model "$SCRATCH/model" $dev "x 30 2 256k" f
redosetup snapshot vm@s3 --delta "$d3"
keep s3 model
rio --model "$SCRATCH/model" $dev "x 30 3 256k" f

# what it refuses, and leaves alone
mkdisk spare 32M
tool_refuses 1 's2' snapshot vm@s2 --delta "$spare"
tool_refuses 1 'vn' snapshot vn@s9 --delta "$spare"
tool_refuses 1 "$d1" snapshot vm@s9 --delta "$d1"
tool_refuses 1 "$base" snapshot vm@s9 --delta "$base"
tool_refuses 1 'vm@' snapshot vm@ --delta "$spare"
tool_refuses 1 's9' view vm@s9
tool_refuses 1 's9' revert -y vm@s9 --delta "$spare"
tool_refuses 1 'vm' init vm "$spare"
tool_refuses 1 "$base" init other "$base"
tool_refuses 1 "$d2" init other "$d2"
tool_refuses 1 'vm' activate vm
tool_refuses 1 'no such chain|not.*there|nothing' activate nobody
holds $dev model

# the views, beside the chain
for s in s1 s2 s3; do
	redosetup view vm@$s > /dev/null
	[[ $(blockdev --getro /dev/mapper/vm-$s) -eq 1 ]] || fail "the view of $s is not read-only"
	holds /dev/mapper/vm-$s $s
done
redosetup view --name v vm@s2 > /dev/null
holds /dev/mapper/v s2
for s in v vm-s1 vm-s3; do
	redosetup view --remove $s
done
dmsetup info vm-s1 > /dev/null 2>&1 && fail "the view of s1 was not removed"

# a clone
redosetup clone vm@s2 lab --delta "$c1"
holds /dev/mapper/lab s2
cp --sparse=always "$SCRATCH/s2" "$SCRATCH/mlab"
rio --model "$SCRATCH/mlab" /dev/mapper/lab "x 30 4 256k" f
holds /dev/mapper/vm-s2 s2
redosetup view --remove vm-s2
tool_refuses 1 'lab' clone vm@s1 lab --delta "$spare"

# revert
tool_refuses 1 'goes on|given up|-y' revert vm@s2 --delta "$r1" < /dev/null
holds $dev model
redosetup revert -y vm@s2 --delta "$r1" > /dev/null
holds $dev s2
cp --sparse=always "$SCRATCH/s2" "$SCRATCH/model"
rio --model "$SCRATCH/model" $dev "x 30 5 256k" f
holds /dev/mapper/lab mlab
redosetup view vm@s3 > /dev/null
holds /dev/mapper/vm-s3 s3
redosetup view --remove vm@s3

# what it prints
redosetup list --noheadings -o name > "$SCRATCH/list" || redosetup list > "$SCRATCH/list"
grep -qw vm "$SCRATCH/list" || fail "list: $(cat "$SCRATCH/list")"
grep -qw lab "$SCRATCH/list" || fail "list: $(cat "$SCRATCH/list")"
redosetup tree > "$SCRATCH/tree"
for s in s1 s2 s3; do
	grep -qw $s "$SCRATCH/tree" || fail "$s is not in the tree: $(cat "$SCRATCH/tree")"
done
redosetup show vm@s1 > "$SCRATCH/show"
grep -q 'the first one' "$SCRATCH/show" || fail "show: $(cat "$SCRATCH/show")"
for what in list tree "show vm" "show vm@s1"; do
	# shellcheck disable=SC2086 # words
	redosetup $what --reportformat json | /usr/bin/python3 -c 'import json, sys; json.load(sys.stdin)' ||
		fail "$what: not JSON"
done

# down, and found again
tool_refuses 2 'names|usage|expects' deactivate
redosetup deactivate vm
dmsetup info vm > /dev/null 2>&1 && fail "not deactivated"
tool_refuses 1 'not active' deactivate vm
redosetup activate vm
holds $dev model
redosetup deactivate --all
[[ $(dmsetup ls) == 'No devices found' ]] || fail "left after deactivate --all: $(dmsetup ls)"
redosetup activate --all
holds $dev model
holds /dev/mapper/lab mlab
redosetup view vm@s1 > /dev/null
holds /dev/mapper/vm-s1 s1
redosetup view --remove vm@s1
redosetup deactivate --all
for d in "$d1" "$d2" "$d3" "$r1" "$c1"; do
	redosetup check "$d" > "$SCRATCH/check" || fail "check $d: $(cat "$SCRATCH/check")"
done
