# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean
# timeout: 300
#
# What goes wrong in a merge: the parent is full, and grows; the delta cannot be read, the
# target cannot be written to, data and metadata; the base has become too small; the chain
# is deactivated in the middle.

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

# failed_at <sector>: the merge has stopped there, and the range that the status names has it;
# it begins at $from and has $len sectors
failed_at() {
	local error
	merge_is chain failed
	error=$(status chain $ST_ERROR)
	[[ $error =~ ^5@([0-9]+)\+([0-9]+)$ ]] || fail "error: $error"
	from=${BASH_REMATCH[1]} len=${BASH_REMATCH[2]}
	((from <= $1 && $1 < from + len)) || fail "the range is $error, the place $1"
}

works() {
	dmsetup suspend "$1"
	dmsetup load "$1" --table "0 $(sectors "$2") linear $2 0"
	dmsetup resume "$1"
}

mkdisk base 24M
mkdisk d1 32M		# one unit for data
mkdisk d3 32M
for d in d2 d4; do
	mkdisk $d 64M
done
rio "$base" "w 0 24M 1"
mkdm over <<< "0 $(sectors "$d2") linear $d2 0"
mkdm parent <<< "0 $(sectors "$d1") linear $d1 0"
mkdm ground <<< "0 $(sectors "$base") linear $base 0"
over=/dev/mapper/over ground=/dev/mapper/ground parent=/dev/mapper/parent
mkchain chain $ground $parent
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 8M 2" f
reload lsr chain $ground $parent $over
rio --model "$SCRATCH/model" /dev/mapper/chain "w 4M 16M 3" f
keep p3 model
reload lsr chain $ground $parent $over "$d3"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 10M 1M 4" f

# the parent's journal cannot be written: the merge stops, the chain goes on, also with
# another table, which finds the parent's data unwritable in one place: what was copied is
# hidden by the source
fails parent "$d1" 128 8192
message chain merge "$(uuid_of $over)" > /dev/null
merge_is chain failed
[[ $(status chain $ST_MODE) == rw ]] || fail "mode: $(status chain)"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 5 5 128k" f v
unit=$((16 * 2048)) # its first grain is not data
fails parent "$d1" $((unit + 12288 + 8)) 8
reload slr chain $ground $parent $over "$d3"
failed_at 12288
holds /dev/mapper/chain model

# the source cannot be read at one place: all others can
works parent "$d1"
fails over "$d2" $((unit + 4096 + 8)) 8
message chain merge_resume > /dev/null
failed_at $((8192 + 4096))
rio --model "$SCRATCH/model" /dev/mapper/chain "r 0 ${from}s" \
	"r $((from + len))s $((49152 - from - len))s" || fail "what is not bad cannot be read"
works over "$d2"

# the parent is full: it waits, also after a new start, and goes on when the device has grown
message chain merge_resume > /dev/null
merge_is chain full
rio --model "$SCRATCH/model" /dev/mapper/chain "x 10 5 128k" f v
rmdm chain
mkchain chain $ground $parent $over "$d3"
merge_is chain full
holds /dev/mapper/chain model
grow_disk d1 64M
works parent "$d1"
merge_ends chain
holds /dev/mapper/chain model
reload_shown chain
rmdm over
mkview v $ground $parent
holds /dev/mapper/v p3
rmdm v

# the base has become too small for all of the disk
dmsetup suspend ground
dmsetup load ground --table "0 40960 linear $base 0"
dmsetup resume ground
message_refused 'has 40960 sectors, 49152 are needed' chain merge "$(uuid_of $parent)"
works ground "$base"

# the base cannot be written to at one place
fails ground "$base" 12288 8
message chain merge "$(uuid_of $parent)" > /dev/null
failed_at 12288
rio --model "$SCRATCH/model" /dev/mapper/chain "x 10 6 128k" f v
works ground "$base"
message chain merge_resume > /dev/null
merge_ends chain
reload_shown chain
holds /dev/mapper/chain model

# the active delta cannot be read at one place: nothing is lost, and it goes on later
mkdm over <<< "0 $(sectors "$d4") linear $d4 0"
reload lsr chain $ground "$d3" $over
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 20M 7" f
fails over "$d4" $((unit + 8192 + 8)) 8
message chain merge "$(uuid_of $over)" > /dev/null
failed_at 8192
works over "$d4"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 8 128k" f v

# deactivated in the middle, and found again
message chain merge_throttle 5 > /dev/null
message chain merge_resume > /dev/null
rio --model "$SCRATCH/model" /dev/mapper/chain "x 10 9 128k" f
rmdm chain
mkchain chain $ground "$d3" $over
holds /dev/mapper/chain model

# here the parent is full as well: what the delta has can be written, and then it grows
merge_is chain full
rio --model "$SCRATCH/model" /dev/mapper/chain "w 18M 1M 11" "W 19M 4k 12" f v
grow_disk d3 64M
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 10 128k" f v
merge_ends chain
reload_shown chain
holds /dev/mapper/chain model
rmdm over
rmdm chain
mkchain chain $ground "$d3"
holds /dev/mapper/chain model

# what has been merged takes no write any more, to be marked so: the chain comes up without
# it, and the mark is set when the device is well again
rmdm chain
for d in "$d1" "$d2" "$d4"; do
	dd if=/dev/zero of="$d" bs=64k count=1 conv=fsync,notrunc status=none
done
mkdm over <<< "0 $(sectors "$d2") linear $d2 0"
mkchain chain $ground "$d3" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 2M 11" f
reload lsr chain $ground "$d3" "$d1" $over
rio --model "$SCRATCH/model" /dev/mapper/chain "w 1M 2M 12" f
reload lsr chain $ground "$d3" "$d1" $over "$d4"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 2M 2M 13" f
sleep 2 # the last checkpoint of what was sealed
dmsetup suspend over
dmsetup load over --table "0 $(sectors "$d2") flakey $d2 0 0 1 1 error_writes"
dmsetup resume over
message chain merge "$(uuid_of "$d2")" > /dev/null
merge_is chain failed
rio --model "$SCRATCH/model" /dev/mapper/chain "x 10 14 128k" f v
rmdm chain
mkchain chain $ground "$d3" "$d1" $over "$d4"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 10 15 128k" f v
[[ $(status chain $ST_DELTAS) -eq 3 && $(merge_state "$d1") -eq 2 ]] || fail "$(status chain)"
rmdm chain
works over "$d2"
mkchain chain $ground "$d3" "$d1" $over "$d4"
[[ $(merge_state "$d1") -eq 0 && $(merge_state "$d2") -eq 6 ]] || fail "marks: $(merge_state "$d1")"
holds /dev/mapper/chain model
