# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# The active delta has no room for any more metadata, and is merged into the base: what it
# has, zeroes first, goes without any.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

truncate -s 6G "$SCRATCH/base.img"
base=$(losetup -f --show "$SCRATCH/base.img")
defer losetup -d "$base"
mkdisk d1 32M
mkchain chain "$base" "$d1" -- error_if_no_space
rio /dev/mapper/chain "d 0 16128k" f
scattered=()
for ((i = 8; i < 3000; i++)); do
	scattered+=("w $((i * 2016))k 4k 5")
done
! rio /dev/mapper/chain "${scattered[@]}" f 2> /dev/null || fail "it did not run full: $(status chain)"
used=$(status chain $ST_USED)
((used > 500 && used < 3000)) || fail "full with $used grains: $(status chain)"
message chain merge "$(uuid_of "$d1")" > /dev/null
merge_ends chain
status_is chain $ST_MODE passthrough || fail "$(status chain)"
rio /dev/mapper/chain "q 16128k 4k 5" "q $(((used + 7) * 2016))k 4k 5"
