# SPDX-License-Identifier: GPL-2.0-or-later
#
# No deltas: the target is the base, in both directions, with and without a
# write cache below.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk --write-through plain 16M

for disk in "$base" "$plain"; do
	rm -f "$SCRATCH/model"
	rio "$disk" "w 0 16M 1"
	mkchain thru "$disk"
	[[ $(sectors /dev/mapper/thru) -eq 32768 ]] || fail "size differs"
	rio --model "$SCRATCH/model" /dev/mapper/thru \
		"q 0 16M 1" "w 1s 3s 2" "W 1M 70k 3" "w 16776704 1s 4" "z 2M 4k" f v
	status_is thru $ST_MODE passthrough || fail "status: $(status thru)"
	status_is thru $ST_DELTAS 0 || fail "status: $(status thru)"
	[[ $(dmsetup table thru) == "0 32768 redo "*" 0" ]] || fail "table: $(dmsetup table thru)"
	rmdm thru
	holds "$disk" model
done

# the largest part of the base, one sector more
mkdm part <<< "0 32768 redo $base 0"
rmdm part
refused 'size|sectors|small' "$base" "0 32769 redo $base 0"

# read-only
mkdm ro -r <<< "$(line "$base")"
rio /dev/mapper/ro "eio w 0 4k 9" || fail "a read-only device takes writes"
