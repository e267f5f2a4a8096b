# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean
# timeout: 900
#
# As 114-crash-cbt, while deltas are merged, and with reverts.

. "$TOP/tests/lib/crash.sh"
# shellcheck disable=SC2034 # crash() reads them
case $KERNEL in
uml)	cuts=7 recovery=7 ;;
lean)	cuts=25 recovery=8 ;;
*)	cuts=8 recovery=8 ;;
esac

for workload in merge merge-all revert; do
	crash --workload cbt-$workload
done
