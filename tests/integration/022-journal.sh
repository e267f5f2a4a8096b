# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# The journal after a crash: replayed; a record that cannot be is refused, and a
# block that is spoilt in the middle is not taken for the end.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 48M
rio "$base" "w 0 16M 1"
mkchain chain "$base" "$d1"
# commits of their own, and a copy as a power cut would leave it
rio --model "$SCRATCH/model" /dev/mapper/chain \
	"w 0 4k 2" f "w 1M 8k 3" f "d 2M 64k" f "w 3M 4k 4" f "w 4M 100k 5" f \
	"c $SCRATCH/d1.img $SCRATCH/crash.img"
rmdm chain

# all metadata is in the first 5 MiB, and nothing else changes
restore() {
	dd if="$SCRATCH/crash.img" of="$d1" bs=1M count=5 conv=fsync,notrunc status=none
}

restore
mapfile -t journal < <(poke "$d1" find journal)
[[ ${#journal[@]} -ge 5 ]] || fail "only ${#journal[@]} journal blocks after 5 commits"
mkview view "$base" "$d1"
holds /dev/mapper/view model
rmdm view
mkchain chain "$base" "$d1"
holds /dev/mapper/chain model
rmdm chain

# An own address, a commit number or a sequence that is not its own, another
# incarnation, a foreign block: each in the first block, with good ones behind.
# Everything that was flushed is there, or the table is refused.
never_less() {
	log_mark "journal $*"
	if line "$base" "$d1" | dmsetup create chain 2> /dev/null; then
		defer rmdm chain
		holds /dev/mapper/chain model
		rmdm chain
		return
	fi
	log_read
	log_names "$d1" || fail "refused without naming the device: $*"
}
first=${journal[0]}
for f in "break 100/1 ^1" "break csum ^1" "set magic ^1" "set blocknr +1" \
	"set generation +1024" "set place +1" "set incarnation ^1" \
	"set uuid 00112233445566778899aabbccddeeff" "set count 253"; do
	restore
	read -r verb field value <<< "$f"
	poke "$d1" "$verb" "$first" "$field" "$value"
	never_less "$f"
done
restore
poke "$d1" wipe "$first"
never_less wiped

# Records with a good checksum that say what cannot be. They come first, so that
# nothing behind them may be taken either.
records=(
	"64/8 0x1001000000001000"	# grain 4096: one beyond the disk's last
	"64/8 0x1001ffffffffffff"
	"64/8 0x1000000000000000"	# no grains
	"64/8 0x0001000000000000"	# type 0
	"64/8 0x5001000000000000"	# type 5
	"72/8 0"			# to the first unit's header
	"72/8 4096"			# to a unit's header
	"72/8 12288"			# one unit beyond the device
	"72/8 0xffffffffffff"
	"72/8 0x1000000000000"
)
for r in "${records[@]}"; do
	restore
	read -r field value <<< "$r"
	poke "$d1" set "$first" "$field" "$value"
	refused '.' "$d1" "$(line "$base" "$d1")"
	refused '.' "$d1" "$(line "$base" "$d1")" -r
done
# a run that leaves its unit: the second commit is one of two grains
restore
[[ $(poke "$d1" get "${journal[1]}" 64/8) -eq $((0x1002000000000100)) ]] || fail "second record"
poke "$d1" set "${journal[1]}" 72/8 8191
refused '.' "$d1" "$(line "$base" "$d1")"

# the header of a unit that the log is the first to name
for f in "break unit1 place ^1" "set unit1 place 2" "set unit1 level 1" "set unit1 count 16" \
	"set unit1 uuid 00112233445566778899aabbccddeeff" "wipe unit1"; do
	restore
	# shellcheck disable=SC2086 # words
	poke "$d1" $f
	refused 'unit' "$d1" "$(line "$base" "$d1")"
	dd if="$SCRATCH/crash.img" of="$d1" bs=4k skip=4096 seek=4096 count=1 conv=fsync,notrunc status=none
done

# the pair: the last grain of the disk is fine
restore
poke "$d1" set "$first" 64/8 0x1001000000000fff
mkview view "$base" "$d1"

# its data carries the stamp of grain 0, where it was written
dd if=/dev/mapper/view bs=4k skip=4095 count=1 iflag=direct status=none > "$SCRATCH/last"
dd if="$SCRATCH/model" bs=4k count=1 status=none > "$SCRATCH/zero"
same "$SCRATCH/last" "$SCRATCH/zero"
rio /dev/mapper/view "q 0 4k 1"
rmdm view

# the last commit torn: it is old or new, nothing else is lost
restore
last=${journal[-1]}
poke "$d1" break "$last" 80/1 ^1
mkchain chain "$base" "$d1"
rio /dev/mapper/chain "q 0 4k 2" "q 1M 8k 3" "0 2M 64k" "q 3M 4k 4"
rio /dev/mapper/chain "q 4M 100k 1" || fail "a torn commit is neither old nor new"
