# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: 6.1 kcsan
# timeout: 480
#
# fio writes everything in mixed block sizes, 8 at a time, with snapshots
# during the run, and verifies it afterwards.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/fio-verify.sh"

fio_verify 8
