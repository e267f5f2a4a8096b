# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 300
#
# 64 deltas over one base: every eighth point is compared, whole.

deep=$TOP/build/tests/redo-deep
[[ -x $deep ]] || skip "no $deep"
require_target redo

said=$("$deep" 64)
note "$said"
