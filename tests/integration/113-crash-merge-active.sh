# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean 6.1
# timeout: 900
#
# Power cuts while the active delta, or everything, is merged, and while such a merge is
# resumed.

. "$TOP/tests/lib/crash.sh"
# shellcheck disable=SC2034 # crash() reads them
[[ $KERNEL != uml ]] || cuts=20 recovery=8

for workload in merge-active merge-snapshot merge-all; do
	crash --workload $workload
done
