# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12 kcsan
# timeout: 480
#
# fio writes everything in mixed block sizes, 64 at a time, with snapshots
# during the run, and verifies it afterwards.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/fio-verify.sh"

fio_verify 64
