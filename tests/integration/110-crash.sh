# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 6.12 kcsan
# timeout: 900
#
# Power cuts on lower devices with a write cache: what was not flushed is lost,
# kept or torn at random. See tests/model/redo-crash.c.

. "$TOP/tests/lib/crash.sh"

crash --grain 4K
crash --grain 64K --size 6M+3s --journal 64 --storm 300
