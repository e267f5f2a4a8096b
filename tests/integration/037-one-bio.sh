# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# A read of 1 MiB of contiguous grains reaches the device below as one bio, at depth 1
# and at depth 8, from the base and from a delta.  The devices below are dm devices,
# which count the bios that they are given: none of their queues splits or merges them.

. "$TOP/tests/lib/redo.sh"

mkdisk disk 512M
start=0 all=()
declare -A statistics

# below <variable> <MiB>: a dm device on a part of the disk
below() {
	local name=below-$1
	mkdm "$name" <<< "0 $(($2 * 2048)) linear $disk $start"
	start=$((start + $2 * 2048))
	printf -v "$1" %s "/dev/mapper/$name"
	all+=("/dev/mapper/$name")
	statistics[/dev/mapper/$name]=/sys/dev/block/$(stat -L -c '%Hr:%Lr' "/dev/mapper/$name")/stat
}

# count_reads: of each device how many, and of how many sectors
declare -A bios sectors
count_reads() {
	local device stat
	for device in "${all[@]}"; do
		read -ra stat < "${statistics[$device]}"
		bios[$device]=$((stat[0] - ${bios[$device]:-0}))
		sectors[$device]=$((stat[2] - ${sectors[$device]:-0}))
	done
}

# one_bio <offset in KiB> <seed> <device>: such a read is one bio there, and none elsewhere
one_bio() {
	local at=$1 device
	rio /dev/mapper/chain "q ${at}k 4k $2" "q $((at + 1020))k 4k $2"	# its leaves are there from now on
	bios=() sectors=()
	count_reads
	rio /dev/mapper/chain "q ${at}k 1M $2"
	count_reads
	for device in "${all[@]}"; do
		if [[ $device == "$3" ]]; then
			[[ "${bios[$device]} ${sectors[$device]}" == "1 2048" ]] ||
				fail "depth $((${#chain[@]} - 1)): 1 MiB at $at KiB: ${bios[$device]} bios of ${sectors[$device]} sectors in $device"
		else
			((bios[$device] == 0)) ||
				fail "depth $((${#chain[@]} - 1)): ${bios[$device]} bios in $device, too"
		fi
	done
}

below base 32
rio "$base" "w 0 32M 1"
for i in 1 2 3 4 5 6 7 8; do
	below d$i 48
done
chain=("$base" "$d1")
mkchain chain "${chain[@]}"
rio /dev/mapper/chain "w 0 8M 2" f

# leaves of 2016 KiB: the start and the end of one, inside one, across two
reads() {
	one_bio 0 2 "$d1"
	one_bio 500 2 "$d1"
	one_bio 992 2 "$d1"
	one_bio 28500 1 "$base"
	one_bio 29500 1 "$base"
	one_bio 2016 2 "$d1"
}
reads
# the others' each in a leaf of its own: what a write gets is contiguous there
at() { echo $((($1 + 4) * 2016 + 500)); }
for i in 2 3 4 5 6 7 8; do
	d=d$i
	chain+=("${!d}")
	reload lsr chain "${chain[@]}"
	rio /dev/mapper/chain "w $(at $i)k 1M $((10 + i))" f
done
reads
for i in 2 5 8; do
	d=d$i
	one_bio "$(at $i)" $((10 + i)) "${!d}"
done

# the same when the map is read anew
rmdm chain
mkchain chain "${chain[@]}"
reads
