# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12
# timeout: 900
#
# Power cuts on lower devices without a write cache: the block layer completes
# flushes by itself there, and what was written is durable when it completes.

. "$TOP/tests/lib/crash.sh"

crash --grain 4K --no-cache --journal 64 --storm 300
crash --grain 1M --size 6M+3s --no-cache
