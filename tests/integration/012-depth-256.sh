# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: 6.12
# timeout: 300
#
# 256 deltas are served, one snapshot after the other and all at once; 257 are
# refused, and what was served before still is. In one process: a case for each
# snapshot's dmsetup would take minutes in these guests.

deep=$TOP/build/tests/redo-deep
[[ -x $deep ]] || skip "no $deep"
require_target redo

said=$("$deep" 256)
note "$said"
dmesg | grep -q "257 deltas are more than 256" || fail "the refusal is not in the kernel log"
