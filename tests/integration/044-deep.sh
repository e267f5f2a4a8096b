# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 600
#
# 64 deltas over one base: every eighth point is compared, whole.

. "$TOP/tests/lib/redo.sh"

mkdisk base 8M
mkdisk store 2064M
rio "$base" "w 0 8M 1"
for ((i = 0; i < 64; i++)); do
	echo -n "d$i,,,rw,0 65536 linear $store $((i * 65536));"
done > "$SCRATCH/concise"
dmsetup create --concise "$(cat "$SCRATCH/concise")"
remove_places() {
	dmsetup remove --retry d{0..63}
}
defer remove_places

chain=("$base")
for ((i = 0; i < 64; i++)); do
	chain+=("/dev/mapper/d$i")
	if [[ $i -eq 0 ]]; then
		mkchain chain "${chain[@]}"
	else
		reload lsr chain "${chain[@]}"
	fi
	rio --model "$SCRATCH/model" /dev/mapper/chain "x 6 $((i + 1)) 128k"
	[[ $((i % 8)) -ne 7 ]] || keep m$i model
done
holds /dev/mapper/chain model
rmdm chain
for ((i = 7; i < 64; i += 8)); do
	mkview view "${chain[@]:0:i + 2}"
	holds /dev/mapper/view m$i
	rmdm view
done
mkchain chain "${chain[@]}"
holds /dev/mapper/chain model
