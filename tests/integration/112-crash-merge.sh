# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean 6.1 6.12
# timeout: 1500
#
# Power cuts while deltas are merged, and while such a merge is resumed.

. "$TOP/tests/lib/crash.sh"

[[ $KERNEL == lean ]] && cuts=60
for workload in merge-sealed merge-base merge-active merge-snapshot merge-all; do
	crash --workload $workload
done
