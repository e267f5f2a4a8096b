# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean 6.12
# timeout: 900
#
# Power cuts while changed blocks are tracked: each change id that the user had is answered
# afterwards, no answer misses a block, and tracking is not broken.

. "$TOP/tests/lib/crash.sh"
# shellcheck disable=SC2034 # crash() reads them
case $KERNEL in
uml)	cuts=5 recovery=5 ;;
lean)	cuts=25 recovery=8 ;;
*)	cuts=6 recovery=6 ;;
esac

for workload in explicit implied full enable enable-now; do
	crash --workload cbt-$workload
done
