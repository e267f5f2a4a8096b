# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean 6.12
# timeout: 900
#
# Power cuts while sealed deltas are merged, and while such a merge is resumed.

. "$TOP/tests/lib/crash.sh"
# shellcheck disable=SC2034 # crash() reads them
[[ $KERNEL != uml ]] || cuts=20 recovery=8

crash --workload merge-sealed
crash --workload merge-base
