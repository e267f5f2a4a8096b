# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 600
#
# redosetup cbt: every verb. Answers are compared with what was written, as text, JSON, raw
# bitmap and bitmap file; what goes wrong is one clear line, and none of it looks like
# "nothing has changed".

. "$TOP/tests/lib/redo.sh"

# The last block is a part of one: 16 MiB and 32 KiB.
mkdisk base 16416K
mkdisk other 16M
for d in d1 d2 d3 e1; do
	mkdisk $d 48M
done
for d in s1 s2 s3; do
	mkdisk $d 4M
done
mkdisk tiny 1M
dev=/dev/mapper/vm
forget() {
	rmdm vm
	rmdm wm
}
defer forget
defer losetup_gone

# files that the tool attached by itself
losetup_gone() {
	local loop
	for loop in $(losetup -n -O NAME -j "$SCRATCH/vm-cbt.redo" 2> /dev/null); do
		losetup -d "$loop"
	done
}

query_py=$TOP/tests/lib/cbt-query.py
# changed <wanted blocks> <argument of query>...: by each of the three ways, the same
changed() {
	local wanted=$1 got
	shift
	redosetup cbt query --reportformat json "$@" > "$SCRATCH/q.json"
	got=$("$query_py" blocks "$SCRATCH/q.json" "$block")
	[[ $got == "$wanted" ]] || fail "query $*: $got, expected $wanted: $(cat "$SCRATCH/q.json")"
	redosetup cbt query --bitmap "$@" > "$SCRATCH/q.bits"
	got=$("$query_py" bitmap "$SCRATCH/q.bits" "$blocks")
	[[ $got == "$wanted" ]] || fail "query --bitmap $*: $got, expected $wanted"
	redosetup cbt query --noheadings "$@" > "$SCRATCH/q.text"
	got=$(/usr/bin/python3 -c 'import json, sys
q = json.load(open(sys.argv[1]))["ranges"]
t = [list(map(int, l.split())) for l in open(sys.argv[2])]
print(t == [[r["offset"], r["length"]] for r in q])' "$SCRATCH/q.json" "$SCRATCH/q.text")
	[[ $got == True ]] || fail "query $*: text and JSON differ"
}

json() { # <expression of the first list r> <argument>...
	local expression=$1
	shift
	redosetup "$@" --reportformat json > "$SCRATCH/json"
	/usr/bin/python3 -c 'import json, sys
r = list(json.load(open(sys.argv[1]))["report"][0].values())[0]
sys.exit(0 if eval(sys.argv[2]) else 1)' "$SCRATCH/json" "$expression" ||
		fail "redosetup $*: not $expression: $(cat "$SCRATCH/json")"
}

field() {
	redosetup list --noheadings -o "$1" "${2:-vm}" | xargs
}

# called wrongly
tool_refuses 2 'which of them' cbt
tool_refuses 2 'unknown command nonsense' cbt nonsense
redosetup cbt -h | grep -q 'cbt query' || fail "cbt -h"
redosetup cbt mark -h | grep -q -- '--label' || fail "cbt mark -h"
tool_refuses 2 'expects <chain>' cbt enable
tool_refuses 2 'expects <chain>' cbt mark a b
tool_refuses 2 'needs --since' cbt query vm
tool_refuses 2 'needs --since' cbt export vm file
tool_refuses 2 'expects <chain> <change id>' cbt drop vm
tool_refuses 2 'label a b' cbt mark --label 'a b' vm
tool_refuses 2 'timeout x' cbt list --timeout x vm
tool_refuses 2 'either --store or --size' cbt enable --store "$s1" --size 4m vm
tool_refuses 2 'one of --bitmap' cbt query --since x --bitmap --reportformat json vm
tool_refuses 1 'no such chain' cbt enable nobody

# not tracked
redosetup init vm "$base"
[[ $(field tracking,change_id,store) == off ]] || fail "off: $(field tracking,change_id,store)"
for verb in mark list 'query --since 01234567-89ab-cdef-0123-456789abcdef/1' \
	'export --since 01234567-89ab-cdef-0123-456789abcdef/1'; do
	# shellcheck disable=SC2086
	if [[ $verb == export* ]]; then
		tool_refuses 1 'changes are not tracked' cbt $verb vm "$SCRATCH/x"
	else
		tool_refuses 1 'changes are not tracked' cbt $verb vm
	fi
done
tool_refuses 1 'is not tracked' cbt disable vm
tool_refuses 1 'cbt enable vm.*full backups' cbt query --since 01234567-89ab-cdef-0123-456789abcdef/1 vm

# enable: refused, tried, done
tool_refuses 1 'block-size 3k' cbt enable --store "$s1" --block-size 3k vm
tool_refuses 1 'block-size 2m' cbt enable --store "$s1" --block-size 2m vm
tool_refuses 1 'needs at least' cbt enable --store "$tiny" vm
tool_refuses 1 'not a block device' cbt enable --store /etc/passwd vm
tool_refuses 1 'at least [0-9]+k are needed' cbt enable --size 1m vm
mkfs.ext4 -q "$s2" 2> /dev/null || mke2fs -q "$s2"
tool_refuses 1 'holds ext.*would be overwritten' cbt enable --store "$s2" vm < /dev/null
tool_refuses 1 'no such device' cbt enable --store /dev/nosuch vm

# -y is not for the chain: its device, what lies on that, a file in its filesystem
rio $dev "w 0 64k 5" f
tool_refuses 1 'the chain vm itself' cbt enable -y --store $dev vm
tool_refuses 1 'is the base' cbt enable -y --store "$base" vm
tool_refuses 1 'the chain vm itself' snapshot -y --delta $dev vm@s1
upon=$(losetup --show -f $dev)
tool_refuses 1 'or lies on it' cbt enable -y --store "$upon" vm
losetup -d "$upon"
rio $dev "q 0 64k 5"
mkfs.ext4 -q $dev
mkdir -p "$SCRATCH/mnt"
mount $dev "$SCRATCH/mnt"
truncate -s 4M "$SCRATCH/mnt/store"
upon=$(losetup --show -f "$SCRATCH/mnt/store")
tool_refuses 1 'or lies on it' cbt enable -y --store "$upon" vm
losetup -d "$upon"
umount "$SCRATCH/mnt"
redosetup cbt enable --dry-run --store "$s1" vm | grep -q 'would format' || fail "dry run"
[[ $(field tracking) == off ]] || fail "--dry-run enabled it"
redosetup show "$s1" > /dev/null 2>&1 && fail "--dry-run formatted it"
block=4096 blocks=4104
id=$(redosetup cbt enable --store "$s1" --block-size 4k vm)
uuid=${id%/*}
[[ $id == "$uuid/1" && ${#uuid} -eq 36 ]] || fail "enable printed $id"
[[ $(field tracking,change_id,store) == "ok $id $s1" ]] || fail "list: $(field tracking,change_id,store)"
tool_refuses 1 'is tracked already' cbt enable --store "$s3" vm
tool_refuses 1 'has a tracking store already' snapshot --delta "$d1" --cbt "$s3" vm@s1
tool_refuses 1 'is a tracking store' init wm "$s1"
[[ $(redosetup show --noheadings -o chain,state,block "$s1" | xargs) == "vm open 4.00k" ]] ||
	fail "show: $(redosetup show "$s1")"

# what changes, to the block
changed - --since "$id" vm
rio $dev "w 0 4k 1" "w 40k 8k 2" "w 16412k 4k 3" f
changed '0,10-11,4103' --since "$id" vm
m2=$(redosetup cbt mark --label first vm)
[[ $m2 == "$uuid/2" ]] || fail "mark printed $m2"
rio $dev "w 40k 4k 4" "w 1M 512 5" f
changed '0,10-11,4103' --since "$id" --until "$m2" vm
changed '10,256' --since "$m2" vm
changed '10,256' --since "$m2" --until now vm
changed '0,10-11,256,4103' --since "$id" vm
changed - --since "$m2" --until "$m2" vm
[[ $("$query_py" json "$SCRATCH/q.json" changed_bytes) == 0 ]] || fail "changed_bytes"
[[ $("$query_py" json "$SCRATCH/q.json" virtual_bytes) == $((16416 * 1024)) ]] || fail "virtual_bytes"
# text has headings, a total none
redosetup cbt query --since "$m2" vm | head -n 1 | grep -q 'Offset *Length' || fail "no heading"

# snapshots: their moments are ids
redosetup snapshot vm@one --delta "$d1"
rio $dev "w 2M 64k 6" f
m4=$(redosetup cbt mark vm)
redosetup snapshot vm@two --delta "$d2" --description x
rio $dev "w 4M 4k 7" f
[[ $(redosetup show --noheadings -o change_id vm@one) == "$uuid/3"* ]] ||
	fail "id of one: $(redosetup show vm@one)"
[[ $m4 == "$uuid/4" ]] || fail "mark printed $m4"
[[ $(redosetup show --noheadings -o change_id vm@two | xargs) == "$uuid/5" ]] ||
	fail "id of two: $(redosetup show vm@two)"
changed '512-527' --since vm@one --until vm@two vm
changed '512-527,1024' --since vm@one vm
changed '0,10-11,256,4103' --since "$id" --until vm@one vm
changed 1024 --since vm@two vm
tool_refuses 1 'no snapshot nosuch.*id of one that is deleted stays good' cbt query --since vm@nosuch vm
tool_refuses 1 'neither a change id nor' cbt query --since nonsense vm

# list
json "[c['number'] for c in r] == ['1', '2', '3', '4', '5']" cbt list vm -o number
json "[c['kind'] for c in r] == ['enable', 'mark', 'snapshot', 'mark', 'snapshot']" cbt list vm -o +kind
json "[c['label'] for c in r] == ['', 'first', '', '', '']" cbt list vm
json "[c['snapshots'] for c in r] == ['', '', 'vm@one', '', 'vm@two']" cbt list vm
json "[c['id'] for c in r if c['current']] == ['$uuid/5']" cbt list vm
json "[c['id'] for c in r] == ['$uuid/2']" cbt list vm -S label=first
[[ $(redosetup cbt list --noheadings -o number -O -number vm | xargs) == '5 4 3 2 1' ]] ||
	fail "order: $(redosetup cbt list vm)"
tool_refuses 2 nonsense cbt list -o nonsense vm
redosetup cbt list -o help vm | grep -q snapshots || fail "-o help"

# the bitmap file, to a file and to a pipe
redosetup cbt export --since vm@one --until vm@two vm "$SCRATCH/bits"
wanted="vm $uuid/3 $uuid/5 4096 16809984 512-527"
[[ $("$query_py" export "$SCRATCH/bits") == "$wanted" ]] || fail "export: $("$query_py" export "$SCRATCH/bits")"
redosetup cbt export --since "$id" vm - | cat > "$SCRATCH/bits2"
[[ $("$query_py" export "$SCRATCH/bits2") == "vm $id now 4096 16809984 0,10-11,256,512-527,1024,4103" ]] ||
	fail "export: $("$query_py" export "$SCRATCH/bits2")"
tool_refuses 1 'is there already' cbt export --since "$id" vm "$SCRATCH/bits" < /dev/null
redosetup cbt export -y --since "$m2" vm "$SCRATCH/bits"
[[ $("$query_py" export "$SCRATCH/bits") == *" 10,256,512-527,1024" ]] || fail "not replaced"
tool_refuses 1 'nodir' cbt export --since "$id" vm "$SCRATCH/nodir/bits"
redosetup cbt export --dry-run --since "$id" vm "$SCRATCH/bits3" > /dev/null
[[ ! -e $SCRATCH/bits3 ]] || fail "--dry-run wrote"
flip() { # <offset>
	/usr/bin/python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); b = f.read(1)[0]; f.seek(int(sys.argv[2])); f.write(bytes([b ^ 1]))' \
		"$SCRATCH/bits" "$1"
}
flip 4100
"$query_py" export "$SCRATCH/bits" > /dev/null 2>&1 && fail "a changed bitmap has the same checksum"

# what changes most often
rio $dev "w 40k 4k 8" f
redosetup cbt mark vm > /dev/null
rio $dev "w 40k 4k 9" "w 4M 4k 9" f
json "[(x['epochs'], x['offset'], x['length']) for x in r][:2] == [('4', '40960', '4096'), ('2', '4194304', '4096')]" \
	cbt query --frequent vm
json "[(x['epochs'], x['offset']) for x in r] == [('2', '40960'), ('2', '4194304')]" cbt query --frequent --since vm@two vm
json "len(r) == 2 and r[0]['offset'] == '40960'" cbt query --frequent -S 'epochs>1' vm
tool_refuses 2 'are for --frequent' cbt query --since "$id" -o offset vm

# another chain's ids, ids that never were, ids in the wrong order, ids dropped
redosetup init wm "$other" --cbt "$s3" --block-size 1m
block=1048576 blocks=16
rio /dev/mapper/wm "w 5M 4k 1" f
foreign=$(redosetup list --noheadings -o change_id wm | xargs)
changed 5 --since "$foreign" wm
tool_refuses 1 'of another tracker.*full backup' cbt query --since "$foreign" vm
tool_refuses 1 'two trackers.*full backup' cbt query --since "$id" --until "$foreign" vm
tool_refuses 1 'never given out.*full backup' cbt query --since "$uuid/99" vm
tool_refuses 1 'never given out.*full backup' cbt query --since "$uuid/99" --bitmap vm
[[ ! -s $SCRATCH/.out ]] || fail "a bitmap was written all the same"
tool_refuses 1 'never given out.*full backup' cbt export --since "$uuid/99" vm "$SCRATCH/none"
[[ ! -e $SCRATCH/none && ! -e $SCRATCH/none.part ]] || fail "a file was written all the same"
tool_refuses 1 'never given out' cbt query --frequent --since "$uuid/99" vm
tool_refuses 1 'is later than' cbt query --since "$m4" --until "$m2" vm
tool_refuses 1 'not a change id|neither a change id' cbt query --since "$uuid/0" vm
redosetup cbt drop --dry-run vm "$m2" > /dev/null
block=4096 blocks=4104
changed '0,10-11,4103' --since "$id" --until "$m2" vm
redosetup cbt drop vm "$m2"
tool_refuses 1 'not known any more.*full backup' cbt query --since "$m2" vm
changed '0,10-11,256,512-527,1024,4103' --since "$id" vm
redosetup cbt drop vm "$id" vm@one
tool_refuses 1 'not known any more.*full backup' cbt query --since "$id" vm
tool_refuses 1 'not known any more.*full backup' cbt query --since vm@one vm
tool_refuses 1 'current epoch.*cbt mark vm' cbt drop vm "$uuid/6"
tool_refuses 1 'dropped already' cbt drop vm "$id"
changed '10,1024' --since vm@two vm

# deltas and stores as they are shown
json "r[0]['tracker_uuid'] == '$uuid' and r[0]['tracker_epoch'] == '3' and r[0]['tracker_sealed'] == '5'" \
	show -o tracker_uuid,tracker_epoch,tracker_sealed "$d1"
redosetup deactivate vm
redosetup check "$s1" | grep -q 'tracking store: clean' || fail "check: $(redosetup check "$s1")"
redosetup check vm | grep -q "$s1: tracking store: clean" || fail "check vm: $(redosetup check vm)"
redosetup check --reportformat json "$s1" | /usr/bin/python3 -c 'import json, sys
c = json.load(sys.stdin)["check"][0]
sys.exit(0 if c["clean"] and c["records"] == 3 else 1)' || fail "check in JSON"
redosetup dump --leaf --journal --reportformat json "$s1" > "$SCRATCH/dump.json"
/usr/bin/python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
e = d["epochs"]
ok = [x["number"] for x in e] == [4, 5, 6] or [x["number"] for x in e][-1] == 6
sys.exit(0 if ok and e[-1]["set"] == [{"block": 10, "length": 1}, {"block": 1024, "length": 1}] else 1)' \
	"$SCRATCH/dump.json" || fail "dump: $(cat "$SCRATCH/dump.json")"
[[ $(redosetup show --noheadings -o chain,state "$s1" | xargs) == 'vm clean' ]] || fail "show: $(redosetup show "$s1")"
redosetup activate vm
changed '10,1024' --since vm@two vm
[[ $(field tracking) == ok ]] || fail "not tracked any more"

# disable: the table has no_cbt, the delta no tracker, the device no store
tool_refuses 1 'void' cbt disable vm < /dev/null
[[ $(field tracking) == ok ]] || fail "disabled without -y"
redosetup cbt disable -y vm > /dev/null
[[ $(field tracking,change_id,store) == off ]] || fail "still $(field tracking,change_id,store)"
json "r[0]['tracker_uuid'] == ''" show -o tracker_uuid "$d2"
redosetup show "$s1" > /dev/null 2>&1 && fail "$s1 is still a store"
tool_refuses 1 'changes are not tracked' cbt query --since vm@two vm
redosetup deactivate vm
redosetup activate vm 2> "$SCRATCH/err"
[[ ! -s $SCRATCH/err ]] || fail "activate complains: $(cat "$SCRATCH/err")"
rio $dev "q 40k 4k 9" "q 4M 4k 9"

# a store that the tool makes beside the base; its size by default and by --size
id=$(redosetup cbt enable -v vm | tail -n 1)
[[ -e $SCRATCH/vm-cbt.redo ]] || fail "no store was made: $(ls "$SCRATCH")"
block=65536 blocks=257
[[ $(stat -c %s "$SCRATCH/vm-cbt.redo") -eq $((16 << 20)) ]] || fail "size: $(stat -c %s "$SCRATCH/vm-cbt.redo")"
rio $dev "w 16412k 4k 1" f
changed 256 --since "$id" vm
redosetup cbt disable -y vm > /dev/null
[[ ! -e $SCRATCH/vm-cbt.redo ]] || fail "what was made was not removed"
redosetup cbt enable --size 40m vm > /dev/null
[[ $(stat -c %s "$SCRATCH/vm-cbt.redo") -eq $((48 << 20)) ]] || fail "size: $(stat -c %s "$SCRATCH/vm-cbt.redo")"
redosetup cbt disable -y vm > /dev/null

# with a snapshot, as one step: the delta is in the map, the map in no journal
redosetup snapshot vm@three --delta "$d3" --cbt "$s1" --block-size 64k
[[ $(redosetup show --noheadings -o change_id vm@three | xargs) == */1 ]] ||
	fail "id of three: $(redosetup show vm@three)"
rio $dev "w 3M 1M 2" f
changed '48-63' --since vm@three vm
tool_refuses 1 'of another tracker.*full backup' cbt query --since vm@two vm
tool_refuses 2 'once for each' snapshot a@x b@x --cbt "$s2"
tool_refuses 1 'given for two' snapshot wm@x --delta "$e1" --cbt "$e1"
tool_refuses 2 'block-size goes with' snapshot wm@x --delta "$e1" --block-size 4k

# the id of a point stays when the next one is merged into the delta on top of it
id=$(redosetup show --noheadings -o change_id vm@three | xargs)
mkdisk d4 48M
redosetup snapshot vm@four --delta "$d4"
rio $dev "w 8M 64k 2" f
redosetup delete -y vm@four > /dev/null
[[ $(redosetup show --noheadings -o change_id vm@three | xargs) == "$id" ]] ||
	fail "three had $id, now: $(redosetup show vm@three)"
changed '48-63,128' --since vm@three vm
