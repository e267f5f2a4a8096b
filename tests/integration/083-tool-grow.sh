# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# redosetup grow: on a delta in a file, units are added while writes wait.

. "$TOP/tests/lib/redo.sh"

mkdisk base 64M
mkdisk d1 32M
rio "$base" "w 0 64M 1"
redosetup init vm "$base"
defer rmdm vm
redosetup snapshot vm@s1 --delta "$d1"
dev=/dev/mapper/vm
rio $dev "w 0 30M 2" f & writer=$!
wait_for 30 status_is vm $ST_SPACE out_of_space_queueing
redosetup grow vm +1 || fail "grow"
wait_for 30 status_is vm $ST_UNITS 3
wait $writer || fail "the writer has failed"
rio $dev "q 0 30M 2" "q 30M 34M 1"
redosetup grow vm +2
wait_for 10 status_is vm $ST_UNITS 5
tool_refuses 1 'nobody' grow nobody
tool_refuses 2 . grow
tool_refuses 1 . grow vm x
