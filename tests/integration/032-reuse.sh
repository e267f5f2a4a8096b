# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# Freed grains are used again: a delta whose blocks are written and discarded
# over and over does not grow, by discard as by zeroes.

. "$TOP/tests/lib/redo.sh"

mkdisk base 24M
mkdisk d1 64M		# four units; 12 rounds of 8 MiB would take six
for op in d z; do
	rio "$base" "w 0 24M 1"
	rm -f "$SCRATCH/model"
	mkchain chain "$base" "$d1" -- error_if_no_space
	rio --model "$SCRATCH/model" /dev/mapper/chain r\ 0\ 4k
	for ((i = 0; i < 12; i++)); do
		rio --model "$SCRATCH/model" /dev/mapper/chain \
			"w $((i % 3 * 8))M 8M $((i + 10))" f "$op $((i % 3 * 8))M 8M" f
	done
	taken=$(status chain $ST_TAKEN)
	[[ $taken -le 4 ]] || fail "$taken units are taken by 8 MiB of data"
	[[ $(status chain $ST_USED) -eq 0 ]] || fail "grains in use: $(status chain)"
	# and all of it can be had again: the disk's size, 24 MiB, is one unit and a half
	rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 24M 99" f v
	rmdm chain
	mkchain chain "$base" "$d1"
	holds /dev/mapper/chain model
	rmdm chain
	rio "$d1" "n 0 64M"
done

# overwriting takes nothing
mkchain chain "$base" "$d1" -- error_if_no_space
rm -f "$SCRATCH/model"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 24M 5" f
used=$(status chain $ST_USED)
[[ $used -eq 6144 ]] || fail "$used grains in use for 24 MiB"
taken=$(status chain $ST_TAKEN)
for ((i = 0; i < 4; i++)); do
	rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 24M $((i + 20))" f
done
[[ $(status chain $ST_USED) -eq 6144 ]] || fail "overwriting took grains: $(status chain)"
[[ $(status chain $ST_TAKEN) -eq $taken ]] || fail "overwriting took units: $(status chain)"
