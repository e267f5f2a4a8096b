# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# What an activation reads is the same for each delta, whatever it holds and however
# many are below it.

. "$TOP/tests/lib/redo.sh"

below=8
mkdisk base 256M
mkdisk few 304M
mkdisk many 304M
for ((i = 1; i <= below; i++)); do
	mkdisk d$i 304M
done

# sectors_read <loop device>
sectors_read() {
	local stat
	read -ra stat < "/sys/block/${1#/dev/}/stat"
	echo "${stat[2]}"
}

# reads_of <command of mkchain or mkview> <argument>...: puts into $READS what each device
# of the line has read until the chain was up, and takes it down
reads_of() {
	local how=$1 device before=() i=0
	shift
	for device; do
		blockdev --flushbufs "$device"
		before+=("$(sectors_read "$device")")
	done
	$how chain "$@"
	READS=()
	for device; do
		READS+=($(($(sectors_read "$device") - before[i])))
		i=$((i + 1))
	done
	rmdm chain
}

# fill <grains>: one in every 128 KiB, so that nothing is one run
fill() {
	local i commands=()
	for ((i = 0; i < $1; i++)); do
		commands+=("w $((i * 128))k 4k 3")
	done
	rio /dev/mapper/chain "${commands[@]}" f
}

# both <what> <number> <number>
equal() {
	[[ $2 -eq $3 ]] || fail "$1: $2 and $3 sectors"
	(($2 > 0 && $2 <= most)) || fail "$1: $2 sectors, expected 1 to $most"
}
most=$((2 * 1024 * 8))		# twice the ring of the journal

mkchain chain "$base" "$few"
fill 3
rmdm chain
mkchain chain "$base" "$many"
fill 2000
rmdm chain
mkchain chain "$base" "$many"
meta=$(status chain $ST_META)
((meta > 128)) || fail "no more than $meta blocks of metadata"
rmdm chain
for how in mkchain mkview; do
	reads_of $how "$base" "$few"
	few_reads=${READS[1]} base_reads=${READS[0]}
	reads_of $how "$base" "$many"
	equal "$how, 3 and 2000 grains" "$few_reads" "${READS[1]}"
	((READS[0] == base_reads)) || fail "$how: of the base $base_reads and ${READS[0]} sectors"
done

# not taken down, but cut off: the journal is read as well
mkchain chain "$base" "$many"
fill 40
cp --sparse=always "$SCRATCH/many.img" "$SCRATCH/cut.img"
rmdm chain
losetup -d "$many"
mv "$SCRATCH/cut.img" "$SCRATCH/many.img"
many=$(losetup --show -f "$SCRATCH/many.img")
defer losetup -d "$many"
reads_of mkview "$base" "$many"
equal "after a cut" "${READS[1]}" "${READS[1]}"

# deeper: each of them as much as each, and as it was alone
chain=("$base" "$many")
mkchain chain "${chain[@]}"
for ((i = 1; i <= below; i++)); do
	d=d$i
	chain+=("${!d}")
	reload lsr chain "${chain[@]}"
	fill $((i == 3 ? 1000 : 5))
done
rmdm chain
reads_of mkview "${chain[@]:0:3}"
shallow=("${READS[@]}")
reads_of mkview "${chain[@]}"
for ((i = 1; i < ${#chain[@]}; i++)); do
	equal "delta 1 of 2 and delta $i of $((below + 1))" "${shallow[1]}" "${READS[i]}"
done
note "${few_reads} sectors of a delta of its own, ${READS[1]} of each of $((below + 1))"
