# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12 kcsan
#
# Leaves and directories of the map come and go while they are used: no memory for
# them, and the kernel asks for it back all the time.

. "$TOP/tests/lib/redo.sh"
require fio

budget=/sys/module/dm_redo/parameters/budget
was=$(cat $budget)
give_back() {
	echo "$was" > $budget
}
defer give_back

mkdisk base 64M
mkdisk d1 128M
mkdisk d2 128M
rio "$base" "w 0 4M 1"
mkchain chain "$base" "$d1"

# A map well within its budget stays as it is until the kernel asks for memory: each of
# these grains has a leaf of its own.
spread=()
for ((i = 0; i < 30; i++)); do
	spread+=("w $((i * 2016 + 512))k 4k 2")
done
rio /dev/mapper/chain "${spread[@]}" f
sleep 1.5 # the commit is applied: none of them is in use
leaves=$(status chain $ST_LEAVES)
((leaves >= 30)) || fail "$leaves leaves for 30 grains, with a budget of $was MiB"
shrunk() {
	echo 2 > /proc/sys/vm/drop_caches
	sleep 0.2
	status_is chain $ST_LEAVES 0
}
wait_for 10 shrunk
rio /dev/mapper/chain "${spread[@]/#w/q}"

# resident leaves, none of them in use: to be asked for more than there are is
# what takes the hand round more than once for one batch
rio /dev/mapper/chain "w 0 1M 2" "w 20M 4k 2" "w 40M 64k 2" f
for i in 1 2 3; do
	rio /dev/mapper/chain "q 0 1M 2" "q 20M 4k 2" "q 40M 64k 2"
	echo 2 > /proc/sys/vm/drop_caches
	sleep 0.2
	echo 2 > /proc/sys/vm/drop_caches
done
wait_for 10 status_is chain $ST_LEAVES 0

echo 0 > $budget
fio --filename=/dev/mapper/chain --direct=1 --ioengine=libaio --iodepth=8 --rw=randrw \
	--bssplit=512/20:4k/40:20k/20:256k/20 --time_based --runtime=8 --size=20M \
	--verify=crc32c --verify_backlog=32 --verify_fatal=1 --fsync=64 --output="$SCRATCH/fio" \
	--name=a --randseed=1 --name=b --offset=20M --randseed=2 --name=c --offset=40M --randseed=3 &
pid=$!
for ((i = 0; i < 18; i++)); do
	echo 2 > /proc/sys/vm/drop_caches
	((i != 8)) || reload lsr chain "$base" "$d1" "$d2"
	sleep 0.4
	kill -0 $pid 2> /dev/null || break
done
wait $pid || fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"

cat /dev/mapper/chain > "$SCRATCH/model"
rmdm chain
mkchain chain "$base" "$d1" "$d2"
holds /dev/mapper/chain model
rmdm chain

# Directories: each has about 1 GiB, 512 leaves of 2016 KiB. Leaves that are zeroed as
# a whole, one word each and nothing else in the directory, must be known until the
# delta knows them.
mkdisk wide 16G
mkdisk d3 128M
old=() gone=() zero=()
for ((i = 0; i < 12; i++)); do
	at=$(((i * 530 + 260) * 2016))k
	old+=("w $at 1M 99")
	gone+=("d $at 4032k")
	zero+=("0 $at 4032k")
done
rio "$wide" "${old[@]}"
mkchain chain "$wide" "$d3"
away() {
	while :; do
		rio /dev/mapper/chain "0 1G 4k" "0 9G 4k" "0 11G 4k" "0 13G 4k" "0 15G 4k"
	done
}
away & pid=$!
defer kill $pid
for ((i = 0; i < 12; i += 3)); do
	rio /dev/mapper/chain "${gone[@]:i:3}"
	sleep 0.3
	rio /dev/mapper/chain "${zero[@]:i:3}"
done
for ((i = 1; i < 6; i++)); do
	at=$((i % 5 * 2))
	rio /dev/mapper/chain "w ${at}G 5M $i" "q ${at}G 5M $i" "d ${at}G 10M" "0 ${at}G 10M" \
		"w ${at}G 64k $i" "q ${at}G 64k $i" "0 $((at * 1048576 + 64))k 6M"
done
kill $pid
wait $pid 2> /dev/null || true
rmdm chain
mkchain chain "$wide" "$d3"
rio /dev/mapper/chain "${zero[@]}"
for ((i = 1; i < 6; i++)); do
	at=$((i % 5 * 2))
	rio /dev/mapper/chain "q ${at}G 64k $i" "0 $((at * 1048576 + 64))k 9M"
done
