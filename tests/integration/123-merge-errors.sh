# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean 6.1 6.12
# timeout: 300
#
# What goes wrong in a merge: the parent is full, and grows; the delta cannot be read, the
# target cannot be written to; the chain is deactivated in the middle.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

# fails <name> <under> <sector> <sectors>: a device over another one, where these fail
fails() {
	local n
	n=$(sectors "$2")
	dmsetup suspend "$1"
	dmsetup load "$1" <<- EOT
		0 $3 linear $2 0
		$3 $4 error
		$(($3 + $4)) $((n - $3 - $4)) linear $2 $(($3 + $4))
	EOT
	dmsetup resume "$1"
}

works() {
	dmsetup suspend "$1"
	dmsetup load "$1" --table "0 $(sectors "$2") linear $2 0"
	dmsetup resume "$1"
}

mkdisk base 24M
mkdisk d1 32M		# one unit for data
for d in d2 d3 d4; do
	mkdisk $d 64M
done
rio "$base" "w 0 24M 1"
mkdm over <<< "0 $(sectors "$d2") linear $d2 0"
mkdm ground <<< "0 $(sectors "$base") linear $base 0"
over=/dev/mapper/over ground=/dev/mapper/ground
mkchain chain $ground "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 8M 2" f
reload lsr chain $ground "$d1" $over
rio --model "$SCRATCH/model" /dev/mapper/chain "w 4M 16M 3" f
keep p3 model
reload lsr chain $ground "$d1" $over "$d3"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 10M 1M 4" f

# the parent is full: it waits, and goes on when the device has grown
message chain merge "$(uuid_of "$over")" > /dev/null
merge_is chain full
rio --model "$SCRATCH/model" /dev/mapper/chain "x 10 5 128k" f v
grow_disk d1 64M
merge_ends chain
holds /dev/mapper/chain model
reload_shown chain
rmdm over
mkview v $ground "$d1"
holds /dev/mapper/v p3
rmdm v

# the base cannot be written to at one place
read -r place < <(echo 12288)	# 6 MiB
fails ground "$base" "$place" 8
message chain merge "$(uuid_of "$d1")" > /dev/null
merge_is chain failed
error=$(status chain $ST_ERROR)
[[ $error =~ ^5@([0-9]+)\+([0-9]+)$ ]] || fail "error: $error"
from=${BASH_REMATCH[1]} len=${BASH_REMATCH[2]}
((from <= place && place < from + len)) || fail "the range is $error, the place $place"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 10 6 128k" f v
works ground "$base"
message chain merge_resume > /dev/null
merge_ends chain
reload_shown chain
holds /dev/mapper/chain model

# the active delta cannot be read at one place: nothing is lost, and it goes on later
mkdm over <<< "0 $(sectors "$d4") linear $d4 0"
reload lsr chain $ground "$d3" $over
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 12M 7" f
fails over "$d4" $((16 * 2048 + 8192)) 8
message chain merge "$(uuid_of $over)" > /dev/null
merge_is chain failed
[[ $(status chain $ST_ERROR) == 5@* ]] || fail "error: $(status chain)"
works over "$d4"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 8 128k" f v

# deactivated in the middle, and found again
message chain merge_throttle 5 > /dev/null
message chain merge_resume > /dev/null
rio --model "$SCRATCH/model" /dev/mapper/chain "x 10 9 128k" f
rmdm chain
mkchain chain $ground "$d3" $over
holds /dev/mapper/chain model
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 10 128k" f v
merge_ends chain
reload_shown chain
holds /dev/mapper/chain model
rmdm over
rmdm chain
mkchain chain $ground "$d3"
holds /dev/mapper/chain model
