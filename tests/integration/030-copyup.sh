# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# Writes of parts of grains, at every alignment that matters, with grains of 4k,
# 64k and 1M: over the base, over a delta below, over zeroes, over own grains.

. "$TOP/tests/lib/redo.sh"

for grain in 4096 65536 1048576; do
	rm -f "$SCRATCH"/model*
	mkdisk base 24M
	mkdisk d1 48M
	mkdisk d2 48M
	rio "$base" "w 0 24M 1"
	poke "$d1" format 49152 $grain
	mkchain chain "$base" "$d1"
	status_is chain $ST_GRAIN $((grain / 512)) || fail "grain: $(status chain)"
	g=$grain
	parts=() seed=$((grain + 10))
	# offset and length within the grains from number 2 on
	for p in "0 512" "512 512" "$((g - 512)) 512" "0 $((g - 512))" "512 $((g - 512))" \
		"512 $((g - 1024))" "0 $g" "0 $((g + 512))" "$((g - 512)) 1024" \
		"512 $g" "0 $((2 * g))" "$((g - 512)) $((g + 1024))" "512 $((2 * g))" \
		"$((g / 2)) $g"; do
		parts+=("$p")
	done
	# each part in a place of its own, three grains apart, as far as there is room
	ops() {
		local i=0 at p off len
		for p in "${parts[@]}"; do
			read -r off len <<< "$p"
			at=$(((2 + 3 * (i % (24 * 1048576 / g / 3 - 2))) * g + off))
			echo "$1 $at $len $((seed++))"
			((++i))
		done
	}
	run() {
		local list
		mapfile -t list < <(ops w)
		rio --grain $g --model "$SCRATCH/model" /dev/mapper/chain "${list[@]}" v
		((seed += 100))
	}
	run				# over the base
	run				# over own grains
	keep below model
	reload lsr chain "$base" "$d1" "$d2"
	status_is chain $ST_GRAIN $((g / 512)) || fail "the new delta has another grain"
	run				# over a delta below
	rio --grain $g --model "$SCRATCH/model" /dev/mapper/chain "d 0 20M" v
	run				# over zeroes
	rio --grain $g --model "$SCRATCH/model" /dev/mapper/chain \
		"z 512 512" "z $((g - 512)) 1024" "z $((3 * g)) $g" "z $((5 * g + 512)) $((2 * g))" v
	rmdm chain
	mkchain chain "$base" "$d1" "$d2"
	holds /dev/mapper/chain model
	mkview view "$base" "$d1"
	holds /dev/mapper/view below
	rmdm view
	rmdm chain
	losetup -d "$base" "$d1" "$d2"
	rm "$SCRATCH"/{base,d1,d2}.img
done
