# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# Data never takes more space than the base: a delta with room for that many
# units, metadata included, never runs full, whatever is written.

. "$TOP/tests/lib/redo.sh"

# 40 MiB: 10240 grains, 3 units of 4095; two more for allocation, one for metadata
mkdisk base 40M
mkdisk d1 96M
mkchain chain "$base" "$d1" -- error_if_no_space
dev=/dev/mapper/chain
rio --model "$SCRATCH/model" $dev "w 0 40M 1" f "w 0 40M 2" f "d 0 20M" "w 10M 20M 3" \
	"d 0 40M" "w 0 40M 4" "x 300 5 1M" "w 0 40M 6" f v
[[ $(status chain $ST_USED) -eq 10240 ]] || fail "grains: $(status chain)"
# scattered: every other grain freed, then all written
ops=()
for ((i = 0; i < 10240; i += 64)); do
	ops+=("d $((i * 4))k 128k")
done
rio --model "$SCRATCH/model" $dev "${ops[@]}" f "w 0 40M 7" f v
rmdm chain
mkchain chain "$base" "$d1"
holds $dev model
