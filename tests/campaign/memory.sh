# SPDX-License-Identifier: GPL-2.0-or-later
#
# Millions of grains scattered over 16 TiB, with 16 MiB for the map. The lower
# device is compressed memory: each grain repeats its own offset, so that it takes
# next to none of it. GRAINS= sets how many.

. "$TOP/tests/lib/redo.sh"
require fio

grains=${GRAINS:-4194304}
limit=16
parameters=/sys/module/dm_redo/parameters
was=$(cat $parameters/budget)
give_back() {
	echo "$was" > $parameters/budget
}
defer give_back
echo $limit > $parameters/budget

modprobe zram num_devices=0
zram=$(cat /sys/class/zram-control/hot_add)
remove_zram() {
	echo "$zram" > /sys/class/zram-control/hot_remove
}
defer remove_zram
echo 64G > "/sys/block/zram$zram/disksize"
delta=/dev/zram$zram
mkdisk --sector 4096 base 16T
mkchain chain "$base" "$delta"

# resident: MiB of leaves and directories, as the kernel's own figures have them
slab() {
	awk '$1 == "redo_leaf" { printf "%d", $3 * $4 / 1048576 }' /proc/slabinfo
}
most=0 started=$SECONDS
watch() {
	local now
	now=$(slab)
	((now <= most)) || most=$now
}
io() {
	fio --name=scatter --filename=/dev/mapper/chain --direct=1 --ioengine=libaio \
		--iodepth=64 --bs=4k --size=16T --number_ios="$grains" --norandommap \
		--random_generator=tausworthe64 --randseed=1 --verify=pattern \
		--verify_pattern=%o --verify_fatal=1 --output="$SCRATCH/fio" "$@" &
	pid=$!
	while kill -0 $pid 2> /dev/null; do
		watch
		sleep 1
	done
	wait $pid || fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
}
io --rw=randwrite --do_verify=0
echo "written after $((SECONDS - started)) s: $(status chain)"
rmdm chain
mkchain chain "$base" "$delta"
io --rw=randread --verify_only=1 --number_ios=$((grains / 8))
echo "read after $((SECONDS - started)) s: $(status chain)"
note "$grains grains over 16 TiB, at most $most MiB of leaves, $((SECONDS - started)) s"
((most <= limit + 2)) || fail "$most MiB of leaves with a budget of $limit MiB"
