# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 6.12 kcsan
# timeout: 480
#
# Snapshots in both orders that dmsetup allows while fio writes and verifies;
# then suspend, resume and reload in a loop under the same load.

. "$TOP/tests/lib/redo.sh"
require fio

mkdisk base 32M
for i in 1 2 3 4 5 6; do
	mkdisk d$i 64M
done
chain=("$base" "$d1")
mkchain chain "${chain[@]}"

load() {
	exec fio --name=load --filename=/dev/mapper/chain --direct=1 --ioengine=libaio \
		--iodepth=8 --rw=randrw --rwmixread=30 --bssplit=512/10:4k/50:12k/20:128k/20 \
		--time_based --runtime=600 --size=32M --verify=crc32c --verify_backlog=64 \
		--verify_fatal=1 --randseed="$1" --fsync=50 --output="$SCRATCH/fio"
}
load 1 &
pid=$!
sleep 2
order=lsr
for d in "$d2" "$d3" "$d4" "$d5" "$d6"; do
	chain+=("$d")
	reload $order chain "${chain[@]}"
	[[ $order == lsr ]] && order=slr || order=lsr
	kill -0 $pid || fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
	sleep 0.5
done
status_is chain $ST_DELTAS 6 || fail "status: $(status chain)"

table=$(line "${chain[@]}")
for ((i = 0; i < 30; i++)); do
	case $((i % 3)) in
	0)	dmsetup suspend chain ;;
	1)	dmsetup load chain --table "$table"; dmsetup suspend --nolockfs chain ;;
	2)	dmsetup suspend --noflush chain; dmsetup load chain --table "$table" ;;
	esac
	dmsetup resume chain
	kill -0 $pid || fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
done
sleep 1
kill -INT $pid
wait $pid || true	# the status after a SIGINT is not 0
grep -q 'err= 0' "$SCRATCH/fio" || fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"

# the same after a new start
blockdev --flushbufs /dev/mapper/chain
cat /dev/mapper/chain > "$SCRATCH/model"
rmdm chain
mkchain chain "${chain[@]}"
holds /dev/mapper/chain model
