# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 600
#
# Merges that take their time: progress, Ctrl-C, --background, --pause, --resume and
# --throttle, a deactivation in the middle, hold_merge; then redosetup consolidate ends
# them and drops what is left over. What is refused meanwhile, and what is not.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

mkdisk base 48M
for d in d1 d2 d3 d4; do
	mkdisk $d 64M
done
rio "$base" "w 0 48M 1"
dev=/dev/mapper/vm
forget() {
	local d
	for d in v vm-s1 vm-redo-merge vm; do
		rmdm $d
	done
}
defer forget

redosetup init vm "$base"
rio --model "$SCRATCH/model" $dev "q 0 48M 1"
redosetup snapshot vm@s1 --delta "$d1"
keep s1 model
rio --model "$SCRATCH/model" $dev "w 0 40M 2" f
redosetup snapshot vm@s2 --delta "$d2"
keep s2 model
rio --model "$SCRATCH/model" $dev "w 4M 40M 3" f
redosetup snapshot vm@s3 --delta "$d3"
keep s3 model
rio --model "$SCRATCH/model" $dev "x 20 4 256k" f

# says <text> <argument>...: redosetup prints it (an extended regular expression)
says() {
	local text=$1
	shift
	redosetup "$@" > "$SCRATCH/said" || fail "redosetup $*: exit status $?"
	grep -qE -- "$text" "$SCRATCH/said" || fail "redosetup $*: does not say \"$text\": $(cat "$SCRATCH/said")"
}

field() {
	redosetup list --noheadings -o "$1" vm | xargs
}

# d2 into d1, slowly; lines of progress, since this is no terminal
LD_LIBRARY_PATH=$TOP/build/userspace env --default-signal=INT "$TOP/build/userspace/redosetup" \
	delete -y --throttle 1MiB vm@s2 > "$SCRATCH/out" 2> "$SCRATCH/err" &
tool=$!
shows_progress() {
	grep -q "merging vm: [0-9]*%" "$SCRATCH/err" || ! kill -0 $tool 2> /dev/null
}
wait_for 30 shows_progress
grep -qE 'merging vm: [0-9]+%, [0-9.]+ MiB/s, [0-9:]+ left' "$SCRATCH/err" ||
	fail "progress: $(cat "$SCRATCH/err" "$SCRATCH/out"); $(status vm)"
[[ $(field merge) =~ ^running\ [0-9]+%.*throttle\ 1MiB$ ]] || fail "list: $(field merge)"
[[ -z $(field consolidation) ]] || fail "consolidation: $(field consolidation)"
redosetup consolidate --pause vm
status_is vm $ST_MERGE paused || fail "pause: $(status vm)"
[[ $(field consolidation) == 'its merge is paused' ]] || fail "list: $(field consolidation)"
says '^vm: consolidation needed: its merge is paused' list vm
wait_for 30 grep -q 'vm: the merge is paused; .*consolidate --resume vm' "$SCRATCH/err"
[[ $(field lost) == s2 && $(field snapshots) == s1,s3 ]] ||
	fail "lost: $(field lost), snapshots: $(field snapshots)"
says 'vm@s2.*LOST' tree vm
says 'merge +into' dump "$d1"
says '^Merge +into' show "$d1"

# not now
tool_refuses 1 'vm@s2: is lost' view vm@s2
tool_refuses 1 'being merged \(paused' delete -y vm@s2
tool_refuses 1 'being merged \(paused' revert -y vm@s1
tool_refuses 1 'being merged \(paused' delete -y vm@s1
tool_refuses 1 'being merged \(paused' delete -y --all vm
tool_refuses 1 'being merged \(paused' view vm@s3
tool_refuses 1 'being merged \(paused' clone vm@s3 lab --delta "$d4"
# s1 is the base, which does not change
redosetup view --name v vm@s1 > /dev/null
holds /dev/mapper/v s1
rmdm v

# Ctrl-C: the merge goes on
kill -INT $tool
wait $tool && fail "interrupted, exit status 0"
tail -n 1 "$SCRATCH/err" | grep -q 'the merge goes on in the kernel.*consolidate vm' ||
	fail "after Ctrl-C: $(cat "$SCRATCH/err")"
status_is vm $ST_MERGE paused || fail "after Ctrl-C: $(status vm)"
redosetup consolidate --throttle 5MiB vm
status_is vm $ST_THROTTLE 5MiB || fail "throttle: $(status vm)"
redosetup consolidate --resume --throttle 1MiB vm
status_is vm $ST_MERGE running || fail "resume: $(status vm)"
status_is vm $ST_THROTTLE 1MiB || fail "throttle: $(status vm)"
tool_refuses 2 'pause or' consolidate --pause --resume vm

# a snapshot in the middle of it
redosetup snapshot vm@s4 --delta "$d4"
keep s4 model
rio --model "$SCRATCH/model" $dev "x 20 5 256k" f
status_is vm $ST_MERGE running || fail "after a snapshot: $(status vm)"
redosetup consolidate --pause vm

# taken down in the middle, held at the next activation
says 'a merge is at [0-9]+%; it goes on by itself at the next activation' deactivate vm
[[ $(field merge) == begun ]] || fail "inactive: $(field merge)"
says "^vm: consolidation needed: the merge of $d2 into $d1 is not over" list vm
tool_refuses 1 'being merged \(begun' delete -y vm@s1
redosetup activate --feature hold_merge vm
status_is vm $ST_MERGE held || fail "held: $(status vm)"
[[ $(field consolidation) == 'its merge is held' ]] || fail "list: $(field consolidation)"
holds $dev model
says 'is held at the next activation' deactivate vm

# ended without being active otherwise; what has gone is left over, and dropped
redosetup consolidate -y vm > "$SCRATCH/out" 2>&1 || fail "consolidate: $(cat "$SCRATCH/out")"
grep -q "$d2: .*free" "$SCRATCH/out" || fail "consolidate: $(cat "$SCRATCH/out")"
[[ $(dmsetup ls) == 'No devices found' ]] || fail "left: $(dmsetup ls)"
tool_refuses 1 "$d2" show "$d2"
[[ -z $(field consolidation)$(field merge)$(field lost) ]] || fail "list: $(redosetup show vm)"
says 'nothing to consolidate' consolidate vm
redosetup activate --feature none vm
holds $dev model
for s in s1 s3 s4; do
	redosetup view --name v vm@$s > /dev/null
	holds /dev/mapper/v $s
	rmdm v
done

# in the background: it comes to its end by itself
says 'the merge of vm goes on in the background' delete -y --background --throttle 1MiB vm@s1
status_is vm $ST_MERGE running || fail "background: $(status vm)"
redosetup consolidate --throttle 100 vm
wait_for 60 status_is vm $ST_MERGE none
wait_for 10 test -z "$(ls "/sys/block/${d1#/dev/}/holders")"
holds $dev model
says "^vm: consolidation needed: left over: $d1 \\(merged or deleted\\)" list vm
tool_refuses 1 "$d1 .*-y" consolidate vm < /dev/null
redosetup consolidate -y vm > /dev/null
[[ -z $(field consolidation) ]] || fail "list: $(redosetup list vm)"
tool_refuses 1 'no merge' consolidate --pause vm
redosetup deactivate vm
redosetup check vm > "$SCRATCH/check" || fail "check vm: $(cat "$SCRATCH/check")"

# a delta whose chain is gone: named, and dropped only by force; one that was prepared
# and never used
for d in e1 e2 e3; do
	mkdisk $d 32M
done
mkdisk other 16M
redosetup format --base "$other" --chain old --snapshot o1 "$e1"
redosetup activate old
redosetup snapshot old@o2 --delta "$e2"
redosetup format --parent "$e1" --chain old --snapshot o9 "$e3"
redosetup deactivate old
says "^old: consolidation needed: left over: $e3 \\(prepared and never used\\)" list old
redosetup consolidate -y old > /dev/null
tool_refuses 1 "$e3" show "$e3"
redosetup format --parent "$e1" --chain old --snapshot o9 "$e3"
dd if=/dev/zero of="$e1" bs=1M count=1 conv=fsync,notrunc status=none
redosetup list old > "$SCRATCH/list" 2> /dev/null
# what was never used may be the top of what is away
for d in "$e2" "$e3"; do
	grep -q "^old: consolidation needed: left over: .*$d (its chain is gone)" "$SCRATCH/list" ||
		fail "list: $(cat "$SCRATCH/list")"
	says "$d \\(its chain is gone\\).*: kept.*--force" consolidate -y old
	redosetup show "$d" > /dev/null
done
redosetup consolidate --force -y old > /dev/null
tool_refuses 1 "$e2" show "$e2"
tool_refuses 1 "$e3" show "$e3"
