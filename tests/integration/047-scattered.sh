# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: 6.12 lean
#
# Grains scattered over 16 TiB, with little memory for the map: nearly each has a
# leaf of its own. The lower device is compressed memory, and each grain repeats
# its own offset, so that it takes next to none. REDO_GRAINS= sets how many.

. "$TOP/tests/lib/redo.sh"
require fio

grains=${REDO_GRAINS:-8000}
((grains > 100000)) && limit=16 || limit=4
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

# KiB of leaves, which are slab objects, and of dirty metadata; directories do not show
resident() {
	local leaves dirty
	leaves=$(awk '$1 == "redo_leaf" { print $3 * $4 / 1024 }' /proc/slabinfo)
	dirty=$(status chain $ST_DIRTY)
	echo $((${leaves%.*} + dirty * 4))
}
most=0 started=$SECONDS
watch() {
	local now
	now=$(resident)
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
note "$grains grains over 16 TiB, at most $most KiB for leaves and dirty metadata \
with a budget of $limit MiB, $((SECONDS - started)) s"
# leaves on their way through a grace period, and partly used slabs
((most <= limit * 1024 * 5 / 4)) || fail "$most KiB with a budget of $limit MiB"
