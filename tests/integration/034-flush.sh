# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# What a flush or a FUA write has promised is on the disk at that moment; on
# devices with a write cache and, where the block layer completes flushes by
# itself if the target does not see to it, without one.

. "$TOP/tests/lib/redo.sh"

round() {
	local cache=$1 n=0
	# shellcheck disable=SC2086 # nothing or an option
	mkdisk $cache base 8M
	# shellcheck disable=SC2086
	mkdisk $cache d1 32M
	rio "$base" "w 0 8M 1"
	mkchain chain "$base" "$d1"
	rm -f "$SCRATCH/model"
	# a copy is made within the call, long before the timer's commit
	now() {
		((++n))
		rio --model "$SCRATCH/model" /dev/mapper/chain "$@" \
			"c $SCRATCH/d1.img $SCRATCH/now$n" "c $SCRATCH/model $SCRATCH/then$n"
	}
	now "w 0 4k 2" f
	now "W 8k 4k 3"
	now "w 1M 512 4" f		# copied up
	now "W 1049088 512 5"		# own grain, copied up before
	now "w 2M 1M 6" "d 3M 64k" f	# discard
	now "z 4M 64k" f
	now "W 1M 4k 7"			# overwrite in place
	now "w 5M 64k 8" "W 5M 4k 9"	# FUA over what is not yet committed
	now "w 6M 4k 10" "w 6M 4k 11" f
	rmdm chain
	for ((i = 1; i <= n; i++)); do
		losetup -d "$d1"
		mv "$SCRATCH/now$i" "$SCRATCH/d1.img"
		d1=$(losetup --show -f "$SCRATCH/d1.img")
		mkview view "$base" "$d1"
		holds /dev/mapper/view then$i
		rmdm view
	done
	losetup -d "$base" "$d1"
	rm "$SCRATCH"/{base,d1}.img
}

round ''

# what another target has acknowledged, in the base's cache: flushes will go to the delta
flushes() {
	local stat
	read -ra stat < "/sys/block/${1#/dev/}/stat"
	echo "${stat[15]}"
}
mkdisk base 16M
mkdisk d1 32M
mkdm chain <<< "0 $(sectors "$base") linear $base 0"
rio /dev/mapper/chain "w 4M 4k 3"
before=$(flushes "$base")
dmsetup load chain --table "$(line "$base" "$d1")"
dmsetup suspend --nolockfs chain
dmsetup resume chain
(($(flushes "$base") > before)) || fail "the base was not flushed before its first delta"
rio /dev/mapper/chain "q 4M 4k 3"
rmdm chain
losetup -d "$base" "$d1"
rm "$SCRATCH"/{base,d1}.img

round --write-through

# a second writer of the same grain must not get ahead of the first one's record:
# its flush covers both
mkdisk base 16M
mkdisk d1 32M
mkchain chain "$base" "$d1"
rio /dev/mapper/chain "w 0 512 1" f &
first=$!
rio /dev/mapper/chain "w 512 512 2" f
wait $first
rio /dev/mapper/chain "q 0 512 1" "q 512 512 2"

# commits are counted, and happen within two seconds without any flush
before=$(status chain $ST_COMMITS)
rio /dev/mapper/chain "w 1M 4k 3"
committed() { (($(status chain $ST_COMMITS) > before)); }
wait_for 3 committed
