# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 300
#
# Corrupt deltas, mostly with checksums mended, activated and used. `make check-fuzz`
# takes thousands. See tests/model/redo-corrupt.c.

. "$TOP/tests/lib/fault.sh"

run redo-corrupt --to 60
