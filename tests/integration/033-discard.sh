# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# Discards: whole grains read as zeroes, parts of grains are left alone; passed
# down to the delta's device unless told otherwise; ignored when asked.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 48M
rio "$base" "w 0 16M 1"
base_sum=$(sums "$base")

mkchain chain "$base" "$d1"
dev=/dev/mapper/chain
[[ $(queue $dev discard_granularity) -eq 4096 ]] || fail "granularity $(queue $dev discard_granularity)"
[[ $(queue $dev discard_max_bytes) -gt 0 ]] || fail "no discards"
[[ $(queue $dev write_zeroes_max_bytes) -gt 0 ]] || fail "no write-zeroes"

# over the base: the parent does not show through, and is not touched
rio --model "$SCRATCH/model" /dev/mapper/chain "d 0 64k" "0 0 64k" \
	"d 100k 512" "d 100k 3584" "d 103424 1024" "d 130560 5120" "d 200k 1M" v
[[ $(sums "$base") == "$base_sum" ]] || fail "a discard reached the base"
# whole leaves, the whole disk
rio --model "$SCRATCH/model" /dev/mapper/chain "w 4M 8M 2" f "d 5M 5M" "d 0 16M" "0 0 16M" v
rmdm chain
mkchain chain "$base" "$d1"
holds /dev/mapper/chain model
[[ $(status chain $ST_USED) -eq 0 ]] || fail "grains in use after a discard of everything"

# passed down: the file below shrinks, at the latest when the chain is taken down
space() { du -k "$SCRATCH/d1.img" | cut -f 1; }
less_than() { (($(space) < $1)); }
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 15M 3" f
full=$(space)
[[ $full -ge 15360 ]] || fail "15 MiB take $full KiB"
rio --model "$SCRATCH/model" /dev/mapper/chain "d 0 15M" f
rmdm chain
less_than $((full - 12288)) || fail "15 MiB discarded: $full KiB have become $(space) KiB"
mkchain chain "$base" "$d1"
holds /dev/mapper/chain model
rmdm chain

# not passed down
mkchain chain "$base" "$d1" -- no_discard_passdown
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 15M 5" f
full=$(space)
rio --model "$SCRATCH/model" /dev/mapper/chain "d 0 15M" f
rmdm chain
less_than $((full - 1024)) && fail "no_discard_passdown, and the file shrank"
mkchain chain "$base" "$d1"
holds /dev/mapper/chain model
rmdm chain

# ignored
mkchain chain "$base" "$d1" -- ignore_discard
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 1M 9" f
blkdiscard -o 0 -l 1M /dev/mapper/chain 2> /dev/null || true
rio --model "$SCRATCH/model" /dev/mapper/chain v
