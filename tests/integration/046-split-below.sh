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
mkdm slow <<< "0 $n delay $store 0 0 $store 0 100"
mkdm stripes <<< "0 $((2 * n)) striped 2 16 $fast 0 /dev/mapper/slow 0"
rio "$base" "w 0 16M 1"
again() {
	rmdm chain
	mkchain chain "$base" /dev/mapper/stripes
}
mkchain chain "$base" /dev/mapper/stripes
rio /dev/mapper/chain "w 1M 64k 2" "w 3M 64k 4" "w 5312k 64k 2" "w 5M 64k 2" "w 7M 64k 2"

# The first touch of a leaf goes to a worker, which does the bio piece by piece:
# an overwrite, what follows is a first write
again
rio /dev/mapper/chain "w 1M 256k 3" "q 1M 256k 3"
rio /dev/mapper/chain "W 3M 256k 5" "q 3M 256k 5" "q 0 1M 1"
# with a gap; and from the middle of a grain, which is copied up
rio /dev/mapper/chain "w 5M 512k 7" "q 5M 512k 7"
rio /dev/mapper/chain "w 7167k 200k 8" "q 7167k 200k 8"
again
rio /dev/mapper/chain "q 1M 256k 3" "q 3M 256k 5" "q 5M 512k 7" "q 7167k 200k 8" "q 0 1M 1"
