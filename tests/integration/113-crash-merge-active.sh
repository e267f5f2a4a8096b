# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean 6.1 6.12
# timeout: 900
#
# Power cuts while the active delta, or everything, is merged, and while such a merge is
# resumed.

. "$TOP/tests/lib/crash.sh"

for workload in merge-active merge-snapshot merge-all; do
	crash --workload $workload
done
