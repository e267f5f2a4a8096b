# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 900
#
# Tracked chains that go down and come up again, by redosetup: the store is found again by
# what is on it, under another name too; tracking goes on across revert, delete, consolidate
# and delete --all, and a clone has none of it. A store that is lost, damaged or does not fit
# keeps no disk from coming up, and is never passed over in silence.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

mkdisk base 16M
mkdisk other 16M
for d in d1 d2 d3 d4 c1; do
	mkdisk $d 64M
done
for s in s1 s2; do
	mkdisk $s 4M
done
dev=/dev/mapper/vm
forget() {
	local d
	for d in vm-one copy vm-redo-merge vm; do
		rmdm $d
	done
}
defer forget

query_py=$TOP/tests/lib/cbt-query.py
block=65536
# changed <wanted blocks> <argument of query>...
changed() {
	local wanted=$1 got
	shift
	redosetup cbt query --reportformat json "$@" > "$SCRATCH/q.json"
	got=$("$query_py" blocks "$SCRATCH/q.json" "$block")
	[[ $got == "$wanted" ]] || fail "query $*: $got, expected $wanted"
}

# covers <blocks> <argument of query>...: at least these
covers() {
	local wanted=$1
	shift
	redosetup cbt query --reportformat json "$@" > "$SCRATCH/q.json"
	/usr/bin/python3 -c 'import json, sys
block = int(sys.argv[2])
have = set()
for r in json.load(open(sys.argv[1]))["ranges"]:
    have.update(range(r["offset"] // block, -(-(r["offset"] + r["length"]) // block)))
want = {int(b) for b in sys.argv[3].split(",")}
sys.exit(0 if want <= have else "misses %s" % sorted(want - have))' \
		"$SCRATCH/q.json" "$block" "$wanted" || fail "query $*: $(cat "$SCRATCH/q.json")"
}

field() {
	redosetup list --noheadings -o "$1" "${2:-vm}" 2> /dev/null | xargs
}

# up <text> [<argument>...]: activate works, and says <text> on stderr; "-": nothing
up() {
	local text=$1
	shift
	redosetup activate "${@:-vm}" 2> "$SCRATCH/err" ||
		fail "activate ${*:-vm}: exit status $?: $(cat "$SCRATCH/err")"
	if [[ $text == - ]]; then
		[[ ! -s $SCRATCH/err ]] || fail "activate says $(cat "$SCRATCH/err")"
	else
		grep -qE "warning: .*$text" "$SCRATCH/err" ||
			fail "activate does not say \"$text\": $(cat "$SCRATCH/err")"
	fi
}

# move <disk> <n>: its loop device is another one from now on
move() {
	local old=${!1}
	losetup -d "$old"
	losetup "/dev/loop$2" "$SCRATCH/$1.img"
	printf -v "$1" '%s' "/dev/loop$2"
	defer losetup -d "/dev/loop$2"
}

# a chain without deltas: only the register knows who tracks it
redosetup init vm "$base" --cbt "$s1"
id=$(field change_id)
rio $dev "w 0 64k 1" f
redosetup deactivate vm
[[ $(field tracking,change_id,store) == "recorded $id $s1" ]] ||
	fail "inactive: $(field tracking,change_id,store)"
up -
rio $dev "w 1M 64k 2" f
changed '0,16' --since "$id" vm
redosetup deactivate vm
move s1 40
up -
[[ $(field tracking,store) == "ok $s1" ]] || fail "moved: $(field tracking,store)"
changed '0,16' --since "$id" vm

# with deltas: by what the active one says, also without the register
redosetup snapshot vm@one --delta "$d1"
rio $dev "w 2M 64k 3" f
redosetup snapshot vm@two --delta "$d2"
rio $dev "w 3M 64k 4" f
redosetup deactivate vm
cp "$REDO_CHAINS" "$SCRATCH/kept"
echo '{ "chains": [] }' > "$REDO_CHAINS"
up - --base "$base" vm
changed '32,48' --since vm@one vm
changed '0,16,32,48' --since "$id" vm
redosetup deactivate vm
cp "$SCRATCH/kept" "$REDO_CHAINS"
up -
redosetup deactivate vm
# the deltas' devices named, the store's not: it is found all the same
up - --device "$d1" --device "$d2" vm
[[ $(field tracking,store) == "ok $s1" ]] || fail "--device: $(field tracking,store)"
redosetup deactivate vm
# read-only nothing is tracked, and nothing is lost by it
redosetup activate --readonly vm
redosetup deactivate vm
up -
changed '0,16,32,48' --since "$id" vm

# a view is not tracked, and has the id of its point; a clone has no tracker
redosetup view vm@two > /dev/null
[[ $(dmsetup status vm-two) == *" point $(redosetup show --noheadings -o change_id vm@two | xargs) 0/0" ]] ||
	fail "view: $(dmsetup status vm-two)"
tool_refuses 1 '.' cbt mark vm-two
redosetup view --remove vm@two
redosetup clone vm@two copy --delta "$c1"
[[ $(field tracking,store copy) == off ]] || fail "clone: $(field tracking,store copy)"
[[ $(field tracking) == ok ]] || fail "its source: $(field tracking)"
rio /dev/mapper/copy "w 5M 64k 1" f
redosetup deactivate copy
up - copy
[[ $(field tracking copy) == off ]] || fail "clone: $(field tracking copy)"
changed '32,48' --since vm@one vm
redosetup deactivate copy
dd if=/dev/zero of="$c1" bs=12k count=1 conv=fsync status=none

# revert: what lay between is marked as changed, before and after
before=$(redosetup cbt mark vm)
rio $dev "w 6M 64k 5" f
redosetup revert -y vm@one --delta "$d3" > /dev/null
[[ $(field tracking) == ok ]] || fail "after revert: $(field tracking)"
rio $dev "w 7M 64k 6" f
covers '32,48,96,112' --since "$before" vm
covers '112' --since vm@one vm
rio $dev "q 2M 64k 0" "q 3M 64k 0" 2> /dev/null || true
redosetup deactivate vm
up -
covers '32,48,96,112' --since "$before" vm

# delete and consolidate mark nothing, and lose nothing
redosetup snapshot vm@three --delta "$d4"
rio $dev "w 8M 64k 7" f
three=$(redosetup show --noheadings -o change_id vm@three | xargs)
redosetup delete -y vm@three > /dev/null 2>&1
[[ $(field tracking) == ok ]] || fail "after delete: $(field tracking)"
changed 128 --since "$three" vm
rio $dev "w 9M 64k 8" f
changed '128,144' --since "$three" vm
redosetup deactivate vm
up -
changed '128,144' --since "$three" vm
# all of them into the base, while it is not active: tracking goes on there
redosetup deactivate vm
redosetup delete -y --all vm > /dev/null 2>&1 || fail "delete --all"
up -
[[ $(field deltas,tracking) == '0 ok' ]] || fail "after delete --all: $(field deltas,tracking)"
changed '128,144' --since "$three" vm
rio $dev "w 10M 64k 9" f
changed '128,144,160' --since "$three" vm
redosetup deactivate vm
up -
changed '128,144,160' --since "$three" vm

# the store is away: the disk comes up, and says so, each time
redosetup deactivate vm
losetup -d "$s1"
[[ $(field tracking) == missing ]] || fail "away: $(field tracking)"
up 'CHANGES ARE NOT TRACKED ANY MORE.*not on any device.*full backup'
[[ $(field tracking) == ended ]] || fail "away: $(field tracking)"
redosetup list | grep -q 'vm: changes are not tracked any more' || fail "list is silent: $(redosetup list)"
rio $dev "w 11M 64k 1" f
redosetup deactivate vm
losetup "$s1" "$SCRATCH/s1.img"
# it knows nothing of that write: never again
up 'NOT TRACKED ANY MORE'
[[ $(field tracking,store) == ended ]] || fail "taken again: $(field tracking,store)"
tool_refuses 1 'not tracked' cbt query --since "$three" vm
tool_refuses 1 'holds a tracking store' cbt enable --store "$s1" vm < /dev/null
id=$(redosetup cbt enable -y --store "$s1" vm)
[[ ${id%/*} != "${three%/*}" ]] || fail "not a new one: $id"
tool_refuses 1 'another tracker' cbt query --since "$three" vm
# the same with deltas
for d in d1 d2 d3 d4; do
	dd if=/dev/zero of="${!d}" bs=64k count=1 conv=fsync status=none
done
redosetup snapshot vm@one --delta "$d1"
redosetup deactivate vm
losetup -d "$s1"
up 'NOT TRACKED ANY MORE.*not on any device'
rio $dev "w 12M 64k 1" f
redosetup deactivate vm
losetup "$s1" "$SCRATCH/s1.img"
up 'NOT TRACKED ANY MORE.*ended before'
[[ $(field tracking) == ended ]] || fail "with deltas: $(field tracking)"
# and it can be let be
redosetup cbt disable -y vm > /dev/null
[[ $(field tracking) == off ]] || fail "not let be: $(field tracking)"
redosetup deactivate vm
up -

# damaged: both superblocks, and the table
id=$(redosetup cbt enable -y --store "$s1" vm)
redosetup deactivate vm
dd if=/dev/urandom of="$s1" bs=512 seek=8 count=1 conv=fsync status=none
dd if=/dev/urandom of="$s1" bs=512 seek=16 count=1 conv=fsync status=none
redosetup check "$s1" > "$SCRATCH/out" && fail "check finds nothing: $(cat "$SCRATCH/out")"
grep -q 'no valid superblock' "$SCRATCH/out" || fail "check: $(cat "$SCRATCH/out")"
up 'NOT TRACKED ANY MORE'
redosetup deactivate vm
redosetup cbt disable -y vm > /dev/null
redosetup activate vm
id=$(redosetup cbt enable -y --store "$s1" vm)
redosetup cbt mark vm > /dev/null
redosetup deactivate vm
dd if=/dev/urandom of="$s1" bs=4k seek=272 count=130 conv=fsync status=none
redosetup check "$s1" > "$SCRATCH/out" && fail "check finds nothing: $(cat "$SCRATCH/out")"
grep -q DAMAGED "$SCRATCH/out" || fail "check: $(cat "$SCRATCH/out")"
up 'NOT TRACKED ANY MORE'
[[ $(field tracking) == broken ]] || fail "damaged table: $(field tracking)"
redosetup list | grep -q 'vm: tracking is broken' || fail "list is silent: $(redosetup list)"
[[ $(redosetup list --noheadings -o problem vm) == *'tracking is broken'* ]] || fail "field problem"
tool_refuses 1 'full backup' cbt query --since "$id" vm
tool_refuses 1 'full backup' cbt query --bitmap --since "$id" vm
[[ ! -s $SCRATCH/.out ]] || fail "a bitmap of a broken store"
tool_refuses 1 'full backup' cbt list vm
tool_refuses 1 'full backup|broken' cbt mark vm
rio $dev "w 13M 64k 1" f
# a new generation on the same device, live
tool_refuses 1 'begins anew' cbt enable vm < /dev/null
new=$(redosetup cbt enable -y vm)
[[ ${new%/*} != "${id%/*}" && $(field tracking,store) == "ok $s1" ]] || fail "anew: $new, $(field tracking,store)"
rio $dev "w 14M 64k 1" f
changed 224 --since "$new" vm
redosetup deactivate vm
up -
changed 224 --since "$new" vm

# rolled back: an older copy of the store does not fit to the delta
redosetup deactivate vm
cp "$SCRATCH/s1.img" "$SCRATCH/old.img"
redosetup activate vm
rio $dev "w 15M 64k 1" f
redosetup cbt mark vm > /dev/null
redosetup deactivate vm
losetup -d "$s1"
cp "$SCRATCH/old.img" "$SCRATCH/s1.img"
losetup "$s1" "$SCRATCH/s1.img"
up 'NOT TRACKED ANY MORE'
[[ $(field tracking) == broken ]] || fail "rolled back: $(field tracking)"
tool_refuses 1 'full backup' cbt query --since "$new" vm
new=$(redosetup cbt enable -y vm)

# two that are the same, one of them newer: that one, and it is said
redosetup deactivate vm
losetup -d "$s2"
cp "$SCRATCH/s1.img" "$SCRATCH/s2.img"
redosetup activate vm
rio $dev "w 1M 64k 1" f
redosetup deactivate vm
losetup "$s2" "$SCRATCH/s2.img"
up '2 devices carry its tracking store'
[[ $(field tracking,store) == "ok $s1" ]] || fail "two: $(field tracking,store)"
changed 16 --since "$new" vm

# the store fails at work: writes go on, and list says what is the matter
redosetup deactivate vm
dd if=/dev/zero of="$s2" bs=64k count=1 conv=fsync status=none
mkdm st <<< "0 $(sectors "$s2") linear $s2 0"
redosetup cbt disable -y vm > /dev/null
up -
tool_refuses 1 'a delta of the chain' cbt enable -y --store "$d1" vm
[[ $(field tracking) == off ]] || fail "on a delta: $(field tracking)"
new=$(redosetup cbt enable -y --store /dev/mapper/st vm)
rio $dev "w 2M 64k 1" f
redosetup cbt mark vm > /dev/null
dmsetup suspend st
dmsetup load st --table "0 $(sectors "$s2") error"
dmsetup resume st
rio $dev "w 5M 64k 1" f
redosetup cbt mark vm > /dev/null 2>&1 && fail "a mark in a store that is no more"
rio $dev "w 6M 64k 1" f
[[ $(field tracking) == broken ]] || fail "failed: $(status vm)"
redosetup list | grep -q 'vm: tracking is broken' || fail "list is silent: $(redosetup list)"
tool_refuses 1 'full backup' cbt query --since "$new" vm
tool_refuses 1 '.' cbt enable -y vm
dmsetup suspend st
dmsetup load st --table "0 $(sectors "$s2") linear $s2 0"
dmsetup resume st
new=$(redosetup cbt enable -y --store /dev/mapper/st vm)
rio $dev "w 7M 64k 1" f
changed 112 --since "$new" vm
# another store instead of a broken one
dmsetup suspend st
dmsetup load st --table "0 $(sectors "$s2") error"
dmsetup resume st
redosetup cbt mark vm > /dev/null 2>&1 && fail "a mark in a store that is no more"
new=$(redosetup cbt enable -y --store "$s1" vm)
[[ $(field tracking,store) == "ok $s1" ]] || fail "another store: $(field tracking,store)"
dmsetup remove st
rio $dev "w 8M 64k 1" f
changed 128 --since "$new" vm

# a merge of a chain that is not active, and its store is away
redosetup snapshot vm@x --delta "$d2"
rio $dev "w 9M 64k 1" f
redosetup deactivate vm
redosetup delete -y vm@x > "$SCRATCH/out" 2> "$SCRATCH/err"
grep -q 'NOT TRACKED' "$SCRATCH/err" && fail "a merge by itself: $(cat "$SCRATCH/err")"
up -
changed '128,144' --since "$new" vm
redosetup snapshot vm@y --delta "$d3"
redosetup deactivate vm
losetup -d "$s1"
redosetup delete -y vm@y > "$SCRATCH/out" 2> "$SCRATCH/err"
grep -q 'vm: CHANGES ARE NOT TRACKED ANY MORE' "$SCRATCH/err" || fail "a merge without its store: $(cat "$SCRATCH/err")"
losetup "$s1" "$SCRATCH/s1.img"
up 'NOT TRACKED ANY MORE'
tool_refuses 1 'not made by redosetup' cbt disable -y --remove-store vm
tool_refuses 1 'is not tracked' cbt disable -y vm
new=$(redosetup cbt enable -y --store "$s1" vm)

# disabled while it is not active
redosetup deactivate vm
redosetup cbt disable -y vm > /dev/null
up -
[[ $(field tracking,store) == off ]] || fail "disabled: $(field tracking,store)"
redosetup show "$s1" > /dev/null 2>&1 && fail "$s1 is still a store"

# given by plain dmsetup: kept as one that the tool has given
redosetup deactivate vm
redosetup init wm "$other"
defer rmdm wm
dd if=/dev/zero of="$s2" bs=64k count=1 conv=fsync status=none
reload lsr wm "$other" -- cbt "$s2"
[[ $(field tracking,store wm) == "ok $s2" ]] || fail "by dmsetup: $(field tracking,store wm)"
id=$(field change_id wm)
rio /dev/mapper/wm "w 0 64k 1" f
redosetup deactivate wm
up - wm
rio /dev/mapper/wm "w 1M 64k 1" f
changed '0,16' --since "$id" wm

# a store that could not be told of its end, and a chain that has no other place for that
redosetup deactivate wm
redosetup cbt disable -y wm > /dev/null
mkdm st <<< "0 $(sectors "$s2") linear $s2 0"
redosetup activate wm
redosetup cbt enable -y --store /dev/mapper/st wm > /dev/null
dmsetup suspend st
dmsetup load st --table "0 $(sectors "$s2") error"
dmsetup resume st
rio /dev/mapper/wm "w 2M 64k 1" f
[[ $(field tracking wm) == broken ]] || fail "failed: $(status wm)"
redosetup deactivate wm
dmsetup suspend st
dmsetup load st --table "0 $(sectors "$s2") linear $s2 0"
dmsetup resume st
[[ $(redosetup show --noheadings -o state /dev/mapper/st | xargs) == open ]] ||
	fail "it was told: $(redosetup show /dev/mapper/st)"
up 'NOT TRACKED ANY MORE.*ended before' wm
[[ $(field tracking wm) == ended ]] || fail "taken again: $(field tracking wm)"
redosetup cbt disable -y wm > /dev/null
rmdm st

# under its own name: the base's table goes below, and the store with the target
mkdisk third 16M
mkdm own <<< "0 $(sectors "$third") linear $third 0"
tool_refuses 1 'holds a tracking store' init own /dev/mapper/own --cbt "$s2" < /dev/null
redosetup init -y own /dev/mapper/own --cbt "$s2"
defer rmdm own-redo-base
id=$(field change_id own)
rio /dev/mapper/own "w 0 64k 1" f
changed 0 --since "$id" own
redosetup deactivate own
[[ $(dmsetup table own) == *linear* ]] || fail "own: $(dmsetup table own)"
up - own
changed 0 --since "$id" own
redosetup snapshot own@one --delta "$c1"
rio /dev/mapper/own "w 1M 64k 1" f
redosetup deactivate own
up - own
[[ $(field deltas,tracking own) == '1 ok' ]] || fail "own: $(field deltas,tracking own)"
changed '0,16' --since "$id" own
changed 16 --since own@one own
redosetup deactivate own
losetup -d "$s2"
up 'NOT TRACKED ANY MORE' own
[[ $(field deltas own) == 1 ]] || fail "own: $(field deltas own)"
rio /dev/mapper/own "q 0 64k 1" "q 1M 64k 1"
redosetup deactivate own
losetup "$s2" "$SCRATCH/s2.img"
