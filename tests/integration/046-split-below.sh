# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12
#
# A bio that is served in several pieces, each of them split by the devices below:
# it ends when the slowest part of its last piece has, not before.

. "$TOP/tests/lib/redo.sh"
require_target delay

mkdisk base 16M
mkdisk fast 64M
mkdisk store 64M
n=$(sectors "$store")
# writes arrive late at one half of the stripes, reads never
mkdm slow <<< "0 $n delay $store 0 0 $store 0 300"
mkdm stripes <<< "0 $((2 * n)) striped 2 16 $fast 0 /dev/mapper/slow 0"
rio "$base" "w 0 16M 1"
mkchain chain "$base" /dev/mapper/stripes

# the first 64 KiB are an overwrite, what follows a first write
rio /dev/mapper/chain "w 1M 64k 2" "w 1M 256k 3" "q 1M 256k 3" \
	"w 3M 64k 4" "W 3M 256k 5" "q 3M 256k 5" "q 0 1M 1"
# the other way round; and with a gap
rio /dev/mapper/chain "w 4288k 64k 2" "w 4M 256k 6" "q 4M 256k 6" \
	"w 5M 64k 2" "w 5312k 64k 2" "w 5M 512k 7" "q 5M 512k 7"
rmdm chain
mkview view "$base" /dev/mapper/stripes
rio /dev/mapper/view "q 1M 256k 3" "q 3M 256k 5" "q 4M 256k 6" "q 5M 512k 7" "q 0 1M 1"
