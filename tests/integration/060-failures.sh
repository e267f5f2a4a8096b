# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12
#
# A delta whose device fails: an error for the caller, a word in the status and a
# dm event; nothing hangs; what was flushed is there after a new start.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 32M
rio "$base" "w 0 16M 1"
dev=/dev/mapper/chain
good="0 65536 linear $d1 0"
mkdm lower <<< "$good"

swap() {
	dmsetup suspend --noflush --nolockfs lower
	dmsetup load lower --table "$1"
	dmsetup resume lower
}

fresh() {
	rmdm chain
	swap "$good"
	rio "$d1" "n 0 32M"
	rm -f "$SCRATCH/model"
	mkchain chain "$base" /dev/mapper/lower
	rio --model "$SCRATCH/model" $dev "w 0 1M 2" "w 4M 512 3" f
}

# after the failure: the same once the device is back
back() {
	timeout 30 dmsetup remove --retry chain || fail "the failed chain cannot be removed"
	swap "$good"
	mkchain chain "$base" /dev/mapper/lower
	rio --model "$SCRATCH/model" $dev v
}

# the whole device gone: first writes, overwrites, reads, flushes
fresh
before=$(events chain)
swap "0 65536 error"
for op in "w 8M 4k 9" "w 0 4k 9" "q 0 4k 2" "w 9M 512 9"; do
	timeout 30 /usr/bin/python3 -S -E "$rio_py" $dev "eio $op" || fail "\"$op\" hangs or is no error"
done
rio $dev "q 10M 1M 1" || fail "the base cannot be read any more"
timeout 30 /usr/bin/python3 -S -E "$rio_py" $dev "w 8M 4k 9" f 2> /dev/null && fail "a flush is no error"
back

# only the journal: data can be written, the commit fails; the chain turns
# read-only, says so and tells dmsetup wait
fresh
before=$(events chain)
swap "0 128 linear $d1 0
128 8192 error
8320 57216 linear $d1 8320"
rio $dev "eio W 8M 4k 9" || fail "FUA without a journal"
mode_gone() { [[ $(status chain $ST_MODE) != rw ]]; }
wait_for 5 mode_gone
[[ $(status chain) =~ ^(ro |Fail$|Error$) ]] || fail "status: $(status chain)"
wait_for 5 eval '(($(events chain) > before))'
timeout 30 /usr/bin/python3 -S -E "$rio_py" $dev "eio w 12M 4k 9" || fail "a write that can never be committed"
if [[ $(status chain $ST_MODE) == ro ]]; then
	rio $dev "q 0 1M 2" "q 4M 512 3" "q 12M 1M 1" || fail "read-only, and reads fail"
	# never out of it again but by a new table
	swap "$good"
	sleep 1.5
	status_is chain $ST_MODE ro || fail "it came back by itself: $(status chain)"
	rio $dev "eio w 12M 4k 9" || fail "written to after its journal failed"
fi
back

# what was acknowledged cannot be committed: the resume of another table fails, since it
# would show older content as if nothing had happened; the next one brings the chain back
mkdisk d3 32M
journal_fails() {
	fresh
	log_mark lost
	swap "0 128 linear $d1 0
128 8192 error
8320 57216 linear $d1 8320"
	rio $dev "w 8M 4k 9"
}
must_be_told() {
	dd if=/dev/zero of="$d3" bs=1M count=1 conv=fsync,notrunc status=none
	swap "$good"
	dmsetup load chain --table "$(line "$base" /dev/mapper/lower "$d3")"
	dmsetup suspend chain
	dmsetup resume chain 2> /dev/null && fail "a snapshot hides that writes were lost: $1"
	dmsetup load chain --table "$(line "$base" /dev/mapper/lower)"
	dmsetup resume chain
	rio --model "$SCRATCH/model" $dev v
	rio $dev "w 12M 4k 9" f "q 12M 4k 9"
	rmdm chain
	mkchain chain "$base" /dev/mapper/lower
	rio $dev "q 12M 4k 9"
}

# in the last commit, when the device is suspended for a snapshot
for ((i = 0; i < 8; i++)); do
	journal_fails
	dmsetup suspend chain
	log_read
	[[ $LOG == *'the last commit before the suspend has failed'* ]] && break
	dmsetup resume chain	# the commit of every second came first
done
((i < 8)) || fail "no commit was left for the suspend"
must_be_told 'in the last commit'

# in the commit of every second, which nobody waits for; suspended twice
journal_fails
wait_for 5 mode_gone
dmsetup suspend chain
dmsetup resume chain
must_be_told 'in a commit before'

# told even if the resume fails for another reason first, and the old table is gone with it
journal_fails
wait_for 5 mode_gone
dd if=/dev/zero of="$d3" bs=1M count=1 conv=fsync,notrunc status=none
swap "$good"
dmsetup load chain --table "$(line "$base" /dev/mapper/lower "$d3")"
dmsetup suspend chain
rio "$base" "w 0 4k 7"
dmsetup resume chain 2> /dev/null && fail "another base was accepted"
rio "$base" "w 0 4k 1"
log_mark told
dmsetup resume chain 2> /dev/null && fail "a resume that fails once hides that writes were lost"
log_read
[[ $LOG == *'acknowledged writes were lost before'* ]] || fail "not told: $LOG"
dmsetup load chain --table "$(line "$base" /dev/mapper/lower)"
dmsetup resume chain
rio --model "$SCRATCH/model" $dev v

# the superblocks: no checkpoint and no seal is possible
fresh
swap "0 8 linear $d1 0
8 16 error
24 65512 linear $d1 24"
mkdisk d2 32M
dmsetup load chain --table "$(line "$base" /dev/mapper/lower "$d2")" 2> /dev/null || true
timeout 30 dmsetup suspend chain
if [[ $(dmsetup info -c --noheadings -o tables_loaded chain) == *Inactive* ]]; then
	dmsetup resume chain 2> /dev/null && fail "a parent that cannot be sealed has a child"
fi
back
[[ $(poke "$d1" get sb state) -eq 2 ]] || fail "sealed after all"

# errors now and then, from dm-flakey
if dmsetup targets | grep -q '^flakey ' || modprobe -q dm-flakey; then
	fresh
	swap "0 65536 flakey $d1 0 1 1 1 error_writes"
	for ((i = 0; i < 8; i++)); do
		timeout 60 /usr/bin/python3 -S -E "$rio_py" $dev "w $((5 + i))M 64k 9" f 2> /dev/null || true
		sleep 0.3
	done
	timeout 30 dmsetup remove --retry chain
	swap "$good"
	mkchain chain "$base" /dev/mapper/lower
	rio --model "$SCRATCH/model" $dev "r 0 4608k" "r 14M 2M"
fi

# the base fails: an error for what is read from it, all else goes on
rmdm chain
mkdm below <<< "0 32768 linear $base 0"
rio "$d1" "n 0 32M"
mkchain chain /dev/mapper/below "$d1"
rio $dev "w 0 1M 2" f
dmsetup suspend --noflush --nolockfs below
dmsetup load below --table "0 32768 error"
dmsetup resume below
rio $dev "q 0 1M 2" "w 1M 1M 3" f "q 1M 1M 3" "w 0 1M 4" "eio q 8M 4k 1" "eio w 8M 512 5"
rio $dev "eio q 8M 4k 1" "w 8M 4k 6" f "q 8M 4k 6"
status_is chain $ST_MODE rw || fail "status: $(status chain)"
