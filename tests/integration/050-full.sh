# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 6.12 kcsan
#
# A delta without a free unit: writes that need space wait, reads and overwrites
# go on; the device grows under it and everything that waited is done.

. "$TOP/tests/lib/redo.sh"

mkdisk base 64M
mkdisk d1 48M		# two units of data
rio "$base" "w 0 64M 1"
mkchain chain "$base" "$d1" -- low_water 1
dev=/dev/mapper/chain
status_is chain $ST_SPACE ok || fail "low with a unit to spare: $(status chain)"
before=$(events chain)
rio $dev "w 0 8M 2" "w 8M 12M 2" f
# no unit is free any more, and that is less than one
wait_for 5 status_is chain $ST_SPACE low_water
more_events() { (($(events chain) > before)); }
wait_for 5 more_events

# a device that grows while nobody writes is noticed by whoever looks at the status
mkdisk low 32M
mkchain low "$base" "$low"
wait_for 5 status_is low $ST_SPACE low_water
low_events() { (($(events low) == $1)); }
wait_for 5 low_events 1
grow_disk low 96M
wait_for 5 status_is low $ST_SPACE ok
wait_for 5 low_events 2
rmdm low

before=$(events chain)
rio $dev "w 32M 13M 3" & writer=$!
wait_for 20 status_is chain $ST_SPACE out_of_space_queueing
wait_for 5 more_events
sleep 1
kill -0 $writer 2> /dev/null || fail "the writer did not wait"
# reads, overwrites and flushes go on
timeout 20 /usr/bin/python3 -S -E "$rio_py" $dev "q 0 20M 2" "w 0 1M 4" "W 1M 4k 4" f "q 0 1M 4" "q 60M 4M 1" ||
	fail "reads and overwrites do not go on"
kill -0 $writer 2> /dev/null || fail "the writer did not wait"

grow_disk d1 80M
wait_for 20 status_is chain $ST_SPACE ok
wait $writer || fail "the write that waited has failed"
rio $dev "q 0 1M 4" "q 1M 4k 4" "q 1052672 19918848 2" "q 32M 13M 3" "q 45M 19M 1"
[[ $(status chain $ST_UNITS) -eq 5 ]] || fail "units: $(status chain)"
rmdm chain
mkchain chain "$base" "$d1"
rio $dev "q 0 1M 4" "q 1M 4k 4" "q 1052672 19918848 2" "q 32M 13M 3" "q 45M 19M 1"
