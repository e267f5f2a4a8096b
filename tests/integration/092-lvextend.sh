# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# lvextend below a live chain: the delta's new units are there without a reload, and a
# write that waits for space goes on.

. "$TOP/tests/lib/redo.sh"
require lvm

# There is no udev here: lvm2 makes its nodes itself, and looks into /dev for disks.
export LVM_SUPPRESS_FD_WARNINGS=1
conf='activation { udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 }
	devices { obtain_device_list_from_udev=0 use_devicesfile=0 filter=["a|^/dev/loop|","r|.*|"] }
	backup { backup=0 archive=0 } global { event_activation=0 use_lvmpolld=0 }'
lvm_do() {
	lvm "$1" --config "$conf" -qq "${@:2}" < /dev/null || fail "lvm $*"
}

mkdisk base 64M
mkdisk pv 256M
rio "$base" "w 0 64M 1"
lvm_do pvcreate "$pv"
lvm_do vgcreate redotest "$pv"
defer lvm vgchange --config "$conf" -qq -an redotest
lvm_do lvcreate -an -Zn -Wn -l 8 -n d1 redotest		# extents of 4 MiB
lvm_do lvchange -ay redotest/d1
delta=/dev/redotest/d1
[[ $(sectors $delta) -eq 65536 ]] || fail "the volume has $(sectors $delta) sectors"

mkchain chain "$base" $delta
defer rmdm chain
status_is chain $ST_UNITS 2 || fail "units: $(status chain)"
rio /dev/mapper/chain "w 0 30M 2" f & writer=$!
wait_for 30 status_is chain $ST_SPACE out_of_space_queueing
table=$(dmsetup table chain)
lvm_do lvextend -l +4 redotest/d1
wait_for 20 status_is chain $ST_UNITS 3
wait $writer || fail "the writer has failed"
status_is chain $ST_SPACE low_water || fail "space: $(status chain)"
[[ $(dmsetup table chain) == "$table" ]] || fail "the table is another one"
rio /dev/mapper/chain "q 0 30M 2" "q 30M 34M 1"
lvm_do lvextend -l +12 redotest/d1
wait_for 20 status_is chain $ST_SPACE ok		# nobody writes
status_is chain $ST_UNITS 6 || fail "units: $(status chain)"
rmdm chain
