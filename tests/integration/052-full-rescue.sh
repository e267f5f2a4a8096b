# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12 kcsan
#
# Full with writes queued: "suspend --noflush; load; resume" with one more delta
# is the rescue, in both orders; without one, the writes go on waiting.

. "$TOP/tests/lib/redo.sh"

mkdisk base 64M
mkdisk d1 32M
mkdisk d2 80M
dev=/dev/mapper/chain
rio "$base" "w 0 64M 1"
mkchain chain "$base" "$d1" -- no_space_timeout 0
rio $dev "w 0 8M 2" f
rio $dev "w 32M 12M 3" f & writer=$!
rio $dev "w 16M 512 4" f & partial=$!
wait_for 20 status_is chain $ST_SPACE out_of_space_queueing
sleep 1

timeout 30 dmsetup suspend --noflush --nolockfs chain || fail "suspend --noflush hangs"
kill -0 $writer 2> /dev/null || fail "the writer did not wait"
dmsetup load chain --table "$(line "$base" "$d1" "$d2" -- no_space_timeout 0)"
dmsetup resume chain
wait $writer || fail "the write that waited has failed"
wait $partial || fail "the small write that waited has failed"
check=("q 0 8M 2" "q 32M 12M 3" "q 16M 512 4" "q 16777728 1M 1" "q 44M 20M 1")
rio $dev "${check[@]}"
status_is chain $ST_SPACE ok || status_is chain $ST_SPACE low_water || fail "status: $(status chain)"
rmdm chain
mkchain chain "$base" "$d1" "$d2"
rio $dev "${check[@]}"
rmdm chain

# load first, then suspend --noflush
mkdisk e1 32M
mkdisk e2 80M
mkchain chain "$base" "$e1" -- no_space_timeout 0
rio $dev "w 0 24M 5" f & writer=$!
wait_for 20 status_is chain $ST_SPACE out_of_space_queueing
dmsetup load chain --table "$(line "$base" "$e1" "$e2")"
timeout 30 dmsetup suspend --noflush --nolockfs chain || fail "suspend --noflush hangs"
dmsetup resume chain
wait $writer || fail "the write that waited has failed"
rio $dev "q 0 24M 5" "q 24M 40M 1"
rmdm chain

# suspended without flushing and resumed with the same table: it goes on waiting
mkdisk g1 32M
mkchain chain "$base" "$g1" -- no_space_timeout 0
rio $dev "w 0 24M 6" f & writer=$!
wait_for 20 status_is chain $ST_SPACE out_of_space_queueing
for i in 1 2 3; do
	timeout 30 dmsetup suspend --noflush --nolockfs chain || fail "suspend --noflush hangs"
	dmsetup resume chain
done
sleep 1
kill -0 $writer 2> /dev/null || fail "the writer did not wait"
grow_disk g1 64M
wait $writer || fail "the write that waited has failed"
rio $dev "q 0 24M 6" "q 24M 40M 1"
