# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean 6.1 6.12
# timeout: 900
#
# Power cuts while sealed deltas are merged, and while such a merge is resumed.

. "$TOP/tests/lib/crash.sh"

crash --workload merge-sealed
crash --workload merge-base
