# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# The limits of a chain's queue, each with its value.

. "$TOP/tests/lib/redo.sh"

mkdisk b512 16M
mkdisk d512 32M
mkdisk --sector 4096 b4k 16M
mkdisk --sector 4096 d4k 32M
[[ $(blockdev --getss "$d4k") -eq 4096 ]] || skip "no loop devices with 4 KiB sectors here"
GIB=1073741824

names=(logical_block_size physical_block_size minimum_io_size
	discard_granularity discard_max_bytes write_zeroes_max_bytes)

# limits <logical> <physical> <least I/O> <granularity> <most discarded> <most zeroed>
limits() {
	local name value queue
	queue=/sys/dev/block/$(stat -L -c '%Hr:%Lr' /dev/mapper/chain)/queue
	for name in "${names[@]}"; do
		read -r value < "$queue/$name"
		[[ $value -eq $1 ]] || fail "$what: $name is $value, expected $1"
		shift
	done
	rmdm chain
}

# chain <what it is> <argument of mkchain>...
chain() {
	what=$1
	shift
	mkchain chain "$@"
}

chain "512 bytes" "$b512" "$d512"
limits 512 512 4096 4096 $GIB $GIB
chain "no discards" "$b512" "$d512" -- ignore_discard
limits 512 512 4096 0 0 $GIB
chain "not passed down" "$b512" "$d512" -- no_discard_passdown
limits 512 512 4096 4096 $GIB $GIB
chain "4 KiB" "$b4k" "$d4k"
limits 4096 4096 4096 4096 $GIB $GIB

# without a delta everything is as the base has it
for base in "$b512" "$b4k"; do
	chain "no delta over $base" "$base"
	values=()
	for name in "${names[@]}"; do
		values+=("$(< "/sys/block/${base#/dev/}/queue/$name")")
	done
	limits "${values[@]}"
done

# larger grains, over a base of larger blocks than the delta's
for grain in 65536; do
	for base in "$b512" "$b4k"; do
		poke "$d512" format 32768 $grain
		chain "grains of $grain over $base" "$base" "$d512"
		size=$(blockdev --getss "$base")
		limits "$size" "$size" $grain $grain $GIB $GIB
	done
done
