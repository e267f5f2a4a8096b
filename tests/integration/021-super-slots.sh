# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# The superblock has two slots. One that is spoilt is what a torn switch leaves:
# the other one stands, said in the log, or the table is refused; what is shown
# is never older than what was flushed.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 48M
rio "$base" "w 0 16M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 60 1 64k" f
rmdm chain
cp --sparse=always "$SCRATCH/d1.img" "$SCRATCH/good.img"

# Copies into the disk in place: the loop device stays. All metadata is in its
# first 5 MiB, and nothing else changes.
restore() {
	dd if="$SCRATCH/good.img" of="$d1" bs=1M count=5 conv=fsync,notrunc status=none
}

# right or refused, never something else
right_or_refused() {
	log_mark "slots $*"
	if line "$base" "$d1" | dmsetup create chain 2> /dev/null; then
		defer rmdm chain
		holds /dev/mapper/chain model
		rmdm chain
	fi
	log_read
	log_names "$d1" || fail "nothing in the log about: $1"
}

for slot in sb old; do
	for field in magic 300/4; do
		poke "$d1" break "$slot" $field ^1
		right_or_refused "$slot $field"
		restore
	done
	poke "$d1" wipe "$slot"
	# a wiped slot is one that was never written; for the one in force that
	# cannot be told from an older state, unless the journal shows it
	echo "redo-test: wiped $slot" > /dev/kmsg
	if line "$base" "$d1" | dmsetup create chain 2> /dev/null; then
		defer rmdm chain
		holds /dev/mapper/chain model
		rmdm chain
	fi
	restore
done

# both of them
poke "$d1" break sbs 300/4 ^1
refused 'checksum' "$d1" "$(line "$base" "$d1")"
restore
# a newer format in the slot in force: the other one is not taken silently
poke "$d1" set sb version 2
refused 'version' "$d1" "$(line "$base" "$d1")"
restore
poke "$d1" set sb incompat 4
refused 'feature' "$d1" "$(line "$base" "$d1")"
restore
# each of another delta
poke "$d1" set old uuid 00112233445566778899aabbccddeeff
refused 'two deltas' "$d1" "$(line "$base" "$d1")"
restore
# the two slots exchanged
poke "$d1" copy 1 5
poke "$d1" copy 2 1
poke "$d1" copy 5 2
poke "$d1" wipe 5
refused 'address' "$d1" "$(line "$base" "$d1")"
restore
mkchain chain "$base" "$d1"
holds /dev/mapper/chain model
