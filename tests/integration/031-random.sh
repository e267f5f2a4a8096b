# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 kcsan
#
# Random writes, FUA writes, discards, zeroes, flushes and reads against a model,
# with three grain sizes, with and without a write cache below, on a disk whose
# last grain is short.

. "$TOP/tests/lib/redo.sh"

round() {
	local grain=$1 cache=$2 seed=$3 bytes=$((16 * 1048576 + 5 * 512)) i
	rm -f "$SCRATCH/model"
	# shellcheck disable=SC2086 # nothing or an option
	mkdisk $cache base $bytes
	# shellcheck disable=SC2086
	mkdisk $cache d1 48M
	# shellcheck disable=SC2086
	mkdisk $cache d2 48M
	rio "$base" "w 0 $bytes 1"
	poke "$d1" format $((bytes / 512)) "$grain"
	mkchain chain "$base" "$d1"
	rio --grain "$grain" --model "$SCRATCH/model" /dev/mapper/chain "x 150 $seed 1M" \
		"w $((bytes - 512)) 512 7" "r $((bytes - 1048576)) 1048576" \
		"d $((bytes - 2560)) 2560" v
	keep one model
	reload slr chain "$base" "$d1" "$d2"
	rio --grain "$grain" --model "$SCRATCH/model" /dev/mapper/chain "x 150 $((seed + 1)) 256k" \
		"w $((bytes - 1024)) 512 8" v
	rmdm chain
	mkchain chain "$base" "$d1" "$d2"
	holds /dev/mapper/chain model
	mkview view "$base" "$d1"
	holds /dev/mapper/view one
	rmdm view
	rmdm chain
	losetup -d "$base" "$d1" "$d2"
	rm "$SCRATCH"/{base,d1,d2}.img
}

# Emulated processors take ten times as long: one round with a cache and one without
[[ $KERNEL == 6.* ]] || round 4096 '' 100
round 4096 --write-through 200
round 65536 '' 300
[[ $KERNEL == 6.* ]] || round 1048576 --write-through 400
