# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 300
#
# After a crash redosetup cbt waits for the bitmap to be rebuilt, for as long as --timeout
# says, and says so when it gives up; meanwhile the disk is written to, and marks and
# queries that do not need that bitmap are answered.

. "$TOP/tests/lib/redo.sh"
require_target delay

mkdisk base 1G
mkdisk d1 128M
mkdisk s1 4M
dev=/dev/mapper/vm
block=65536
query_py=$TOP/tests/lib/cbt-query.py

redosetup init vm "$base"
defer rmdm vm
redosetup snapshot vm@one --delta "$d1" --cbt "$s1"
# a grain in each leaf of the map, which is on disk after the deactivation
writes=() wanted=''
for ((i = 0; i < 400; i++)); do
	writes+=("w $((i * 2600 * 1024 + 4096)) 4k $((i + 1))")
done
rio $dev "${writes[@]}" f
redosetup deactivate vm
redosetup activate vm
rio $dev "w 1000M 64k 7" f
# and now the power goes: what is on the disks is all there is
for d in d1 s1; do
	cp --sparse=always "$SCRATCH/$d.img" "$SCRATCH/$d.cut"
done
redosetup deactivate vm
for d in d1 s1; do
	losetup -d "${!d}"
	mv "$SCRATCH/$d.cut" "$SCRATCH/$d.img"
	losetup "${!d}" "$SCRATCH/$d.img"
done
mkdm slow <<< "0 $(sectors "$d1") delay $d1 0 50 $d1 0 0"
defer rmdm vm
redosetup activate vm 2> "$SCRATCH/err"
[[ ! -s $SCRATCH/err ]] || fail "activate says $(cat "$SCRATCH/err")"
tracking() {
	redosetup list --noheadings -o tracking vm | xargs
}
[[ $(tracking) == rebuilding ]] || fail "rebuilding takes no time: $(status vm)"
rio $dev "w 1001M 64k 8" f
tool_refuses 1 'still being rebuilt.*ask again' cbt query --timeout 0 --since vm@one vm
tool_refuses 1 'still being rebuilt' cbt query --timeout 1 --bitmap --since vm@one vm
[[ ! -s $SCRATCH/.out ]] || fail "a bitmap was written all the same"
[[ $(tracking) == rebuilding ]] || fail "rebuilding is over too soon"
# this one waits
redosetup cbt query --reportformat json --since vm@one vm > "$SCRATCH/q.json"
[[ $(tracking) == ok ]] || fail "answered before it was over: $(status vm)"
got=$("$query_py" blocks "$SCRATCH/q.json" $block)
for ((i = 0; i < 400; i++)); do
	wanted+=$(((i * 2600 * 1024 + 4096) / block))$'\n'
done
wanted+=16000$'\n'16016
/usr/bin/python3 -c 'import sys
have = set()
for span in sys.argv[1].split(","):
    a, _, b = span.partition("-")
    have.update(range(int(a), int(b or a) + 1))
want = {int(b) for b in sys.argv[2].split()}
sys.exit(0 if want <= have else "misses %s" % sorted(want - have))' "$got" "$wanted" ||
	fail "after the rebuilding: $got"
