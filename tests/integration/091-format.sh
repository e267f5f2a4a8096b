# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 480
#
# A second implementation of the on-disk format, written from the document alone
# (tests/lib/reader.py), shows the same content as the kernel: after a clean
# removal, and with journals as a power cut leaves them.

. "$TOP/tests/lib/redo.sh"

# reads_as <model> <base> [<delta>...]: files or devices
reads_as() {
	local model=$1
	shift
	/usr/bin/python3 -S -E "$TOP/tests/lib/reader.py" "$@" > "$SCRATCH/read" 2> "$SCRATCH/err" ||
		fail "reader: $(cat "$SCRATCH/err")"
	cmp "$SCRATCH/read" "$model" || fail "the reader and the kernel differ: $*"
	echo "commits replayed: $(cat "$SCRATCH/err")"
}

# a power cut: what is on the devices at this moment
cut() {
	local name
	for name in "$@"; do
		cp --sparse=always "$SCRATCH/$name.img" "$SCRATCH/cut-$name"
	done
}

for grain in 4096 65536; do
	rm -f "$SCRATCH"/{base,d1,d2}.img "$SCRATCH/model"
	mkdisk base 5120512	# the last grain and the last leaf are short
	mkdisk d1 64M
	mkdisk d2 64M
	rio "$base" "w 0 5120512 1"
	if [[ $grain -ne 4096 ]]; then
		redosetup format -y --base "$base" --grain "$((grain / 1024))k" "$d1"
	fi
	mkchain chain "$base" "$d1"
	rio --grain "$grain" --model "$SCRATCH/model" /dev/mapper/chain "x 60 1 256k" "d 2M 2M" "w 3M 5k 2" f
	cut base d1
	reads_as "$SCRATCH/model" "$SCRATCH/cut-base" "$SCRATCH/cut-d1"

	# more than one commit, grains used again, a second delta
	rio --grain "$grain" --model "$SCRATCH/model" /dev/mapper/chain "x 60 3 256k" f "x 60 4 256k" f
	reload lsr chain "$base" "$d1" "$d2"
	cp --sparse=always "$SCRATCH/model" "$SCRATCH/point"
	rio --grain "$grain" --model "$SCRATCH/model" /dev/mapper/chain "x 60 5 256k" f "d 0 5120512" "x 20 6 64k" f
	cut base d1 d2
	reads_as "$SCRATCH/model" "$SCRATCH/cut-base" "$SCRATCH/cut-d1" "$SCRATCH/cut-d2"
	reads_as "$SCRATCH/point" "$SCRATCH/cut-base" "$SCRATCH/cut-d1"
	rmdm chain
	reads_as "$SCRATCH/model" "$base" "$d1" "$d2"
	reads_as "$SCRATCH/point" "$base" "$d1"
	for name in cut-base cut-d1 cut-d2; do
		rm "$SCRATCH/$name"
	done
done
