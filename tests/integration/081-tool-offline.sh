# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# redosetup format, check and dump on deltas that are not in use, and its exit
# status: 0 done, 1 refused or failed with one line, 2 usage.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 32M
rio "$base" "w 0 16M 1"

# format, as text of the table knows it
redosetup format --base "$base" --grain 64k --chain vm --snapshot s1 --description 'by hand' "$d1"
[[ $(poke "$d1" get sb grain_sectors) -eq 128 ]] || fail "grain: $(poke "$d1" get sb grain_sectors)"
[[ $(poke "$d1" get sb state) -eq 1 ]] || fail "state: $(poke "$d1" get sb state)"
[[ $(poke "$d1" get sb virtual_sectors) -eq 32768 ]] || fail "size"
redosetup check "$d1" > /dev/null
# the kernel takes it
mkchain chain "$base" "$d1"
status_is chain $ST_GRAIN 128 || fail "grain: $(status chain)"
rio --grain 64k --model "$SCRATCH/model" /dev/mapper/chain "x 60 1 256k" "w 0 128k 5" f v
tool_refuses 1 "$d1|use" check "$d1"
tool_refuses 1 "$d1" format --base "$base" -y "$d1"
rmdm chain
redosetup check "$d1" > "$SCRATCH/check" || fail "check: $(cat "$SCRATCH/check")"

# dump knows every field, in text and in JSON
redosetup dump "$d1" > "$SCRATCH/dump"
for word in vm s1 'by hand' active; do
	grep -q "$word" "$SCRATCH/dump" || fail "dump lacks $word: $(cat "$SCRATCH/dump")"
done
redosetup dump --reportformat json "$d1" > "$SCRATCH/dump.json"
uuid=$(poke "$d1" get sb uuid)
/usr/bin/python3 - "$SCRATCH/dump.json" "$uuid" <<'PY' || fail "dump in JSON: $(head -c 500 "$SCRATCH/dump.json")"
import json, sys
text = json.dumps(json.load(open(sys.argv[1]))).replace('-', '')
sys.exit(sys.argv[2] not in text)
PY

# check finds what is spoilt, each thing alone
cp --sparse=always "$SCRATCH/d1.img" "$SCRATCH/good.img"
leaf=$(poke "$d1" find leaf | head -n 1)
alloc=$(poke "$d1" find alloc | head -n 1)
finds() {
	local status=0
	poke "$d1" "$@"
	redosetup check "$d1" > "$SCRATCH/out" 2>&1 || status=$?
	[[ $status -eq 1 ]] || fail "check after $*: exit status $status: $(cat "$SCRATCH/out")"
	grep -qF "$d1" "$SCRATCH/out" || fail "check after $*: does not name $d1: $(cat "$SCRATCH/out")"
	dd if="$SCRATCH/good.img" of="$d1" bs=1M count=17 conv=fsync,notrunc status=none
}
finds break "$leaf" 200/1 ^1
finds set "$leaf" generation +1
finds set "$leaf" place +1
finds set "$leaf" word0 0x1000000000000fff
finds set "$leaf" word1 "$(poke "$d1" get "$leaf" word0)"
finds wipe "$leaf"
finds break "$alloc" 200/1 ^1
finds set "$alloc" $((64 + 4))/4 +1
finds set "$alloc" $((64 + 520 + 8))/1 ^6
finds break unit1 place ^1
finds wipe unit1
finds set sb map_root 0
finds set sb data_used +1
finds set sb meta_used +1
finds set sb nr_leaves +1
finds break sbs 400/1 ^1
redosetup check "$d1" > /dev/null || fail "not restored"

# what is in the journal alone counts as well: live by the kernel, cut off by replay
used() {
	redosetup list --deltas --noheadings --units b -o used --device "$1" | xargs
}
mkchain chain "$base" "$d1"
before=$(used "$d1")
rio --grain 64k /dev/mapper/chain "w 8M 640k 3" f
live=$(used "$d1")
cp --sparse=always "$SCRATCH/d1.img" "$SCRATCH/cut.img"
rmdm chain
cut=$(losetup --show -f "$SCRATCH/cut.img")
defer losetup -d "$cut"
[[ $(poke "$cut" get sb flags) != $(poke "$d1" get sb flags) ]] || fail "the copy is clean"
[[ $live != "$before" && $live == "$(used "$d1")" && $live == "$(used "$cut")" ]] ||
	fail "used: before $before, live $live, after $(used "$d1"), cut off $(used "$cut")"
grains=$((${live%[bB]} / 65536))
redosetup check "$cut" > "$SCRATCH/check"
grep -q " $grains data grains" "$SCRATCH/check" || fail "$grains grains? $(cat "$SCRATCH/check")"

# what is not a delta
mkdisk other 32M
tool_refuses 1 "$other" check "$other"
tool_refuses 1 "$other" dump "$other"
tool_refuses 1 "$other" show "$other"
tool_refuses 1 '/nonexistent' check /nonexistent
mkfs.ext4 -q "$other"
before=$(writes "$other")
tool_refuses 1 "$other" format --base "$base" "$other" < /dev/null
[[ $(writes "$other") == "$before" ]] || fail "a filesystem was overwritten"
redosetup format --force --base "$base" --chain over "$other" < /dev/null
[[ $(poke "$other" get sb state) -eq 1 ]] || fail "--force has not formatted it"
tool_refuses 1 'delta of dm-redo, chain over' format --base "$base" --chain new "$other" < /dev/null
redosetup format --force --base "$base" --chain new "$other" < /dev/null
redosetup show "$other" | grep -qw new || fail "--force has not formatted a delta: $(redosetup show "$other")"
mkchain chain "$base" "$other"
tool_refuses 1 "$other" format --force --base "$base" "$other" < /dev/null
rmdm chain
mkdisk small 15M
tool_refuses 1 "$small" format --base "$base" "$small"

# usage
tool_refuses 2 . frobnicate
tool_refuses 2 . format
tool_refuses 2 . format --nonsense "$other"
tool_refuses 2 . view a b c
tool_refuses 2 . clone a@b
tool_refuses 2 . list --reportformat xml
redosetup -h > "$SCRATCH/help"
for verb in init format activate deactivate snapshot revert view clone list tree show check dump grow; do
	grep -qw $verb "$SCRATCH/help" || fail "help lacks $verb"
	redosetup $verb -h > "$SCRATCH/out" 2>&1 || fail "$verb -h: exit status $?"
	grep -q "^Usage: redosetup $verb" "$SCRATCH/out" || fail "$verb -h: $(cat "$SCRATCH/out")"
done
