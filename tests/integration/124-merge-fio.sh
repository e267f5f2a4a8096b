# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 6.12 kcsan
# timeout: 600
#
# fio writes and verifies while deltas are merged: a sealed one, the active one under load,
# and everything.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

require fio
mkdisk base 12M
for d in 1 2 3; do
	mkdisk d$d 48M
done
job=(--name=verify --filename=/dev/mapper/chain --direct=1 --ioengine=libaio --iodepth=16
	--rw=randrw --rwmixread=30 --bssplit=512/20:1k/10:4k/40:20k/20:256k/10 --size=12M
	--verify=crc32c --verify_fatal=1 --fsync=50 --thread --verify_backlog=256)

# load <seed> <command>...: fio in the background while the command runs, then verify all
load() {
	local seed=$1 pid
	shift
	fio "${job[@]}" --randseed="$seed" --time_based --runtime=3 --rate=6M,12M \
		--output="$SCRATCH/fio" &
	pid=$!
	sleep 0.5
	"$@"
	wait $pid || fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
	merge_ends chain
	reload_shown chain
}

mkchain chain "$base" "$d1"
fio "${job[@]}" --randseed=1 --output="$SCRATCH/fio" || fail "fio"
reload lsr chain "$base" "$d1" "$d2"
fio "${job[@]}" --randseed=2 --output="$SCRATCH/fio" || fail "fio"
reload lsr chain "$base" "$d1" "$d2" "$d3"
message chain merge_throttle 30 > /dev/null
load 3 message chain merge "$(uuid_of "$d2")"
load 4 message chain merge "$(uuid_of "$d3")"
[[ $(status chain $ST_DELTAS) -eq 1 ]] || fail "deltas: $(status chain)"
d2=''
mkdisk d4 48M
reload lsr chain "$base" "$d1" "$d4"
load 5 message chain merge_all
[[ $(status chain $ST_MODE) == passthrough ]] || fail "mode: $(status chain)"
