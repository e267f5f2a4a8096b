# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12 kcsan
#
# The hand-over from one table to the next when something is wrong with it: the
# old one can be loaded again and nothing is lost.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 32M
mkdisk d2 32M
mkdisk d3 32M
rio "$base" "w 0 16M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 1 256k" f

# loaded, then thought better of
dmsetup load chain --table "$(line "$base" "$d1" "$d2")"
dmsetup clear chain
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 2 256k" f v
# d2 is formatted by now, and counts for nothing
[[ $(poke "$d2" get sb state) -eq 1 ]] || fail "state of d2: $(poke "$d2" get sb state)"
[[ $(poke "$d1" get sb state) -eq 2 ]] || fail "state of d1: $(poke "$d1" get sb state)"
rmdm chain
refused 'seal|parent|state' - "$(line "$base" "$d1" "$d2")" -r
mkchain chain "$base" "$d1"
holds /dev/mapper/chain model

# it can be used later: as the next delta of the chain that it was made for
reload lsr chain "$base" "$d1" "$d2"
holds /dev/mapper/chain model
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 3 256k" f v

# the next delta is lost between load and resume
mkdm thin <<< "0 65536 linear $d3 0"
dmsetup load chain --table "$(line "$base" "$d1" "$d2" /dev/mapper/thin)"
dmsetup suspend --noflush --nolockfs thin
dmsetup load thin --table "0 65536 error"
dmsetup resume thin
dmsetup suspend chain
dmsetup resume chain 2> /dev/null && fail "resumed onto a dead delta"
# the old table is gone; either line may be right, the old one must be if d2 is not sealed
case $(poke "$d2" get sb state) in
2)	dmsetup load chain --table "$(line "$base" "$d1" "$d2")"
	dmsetup resume chain ;;
3)	dmsetup suspend --noflush --nolockfs thin
	dmsetup load thin --table "0 65536 linear $d3 0"
	dmsetup resume thin
	dmsetup load chain --table "$(line "$base" "$d1" "$d2" /dev/mapper/thin)"
	dmsetup resume chain ;;
esac
holds /dev/mapper/chain model
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 4 256k" f v
rmdm chain
