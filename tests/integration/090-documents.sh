# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 480
#
# The examples of README.md and Documentation/redo.rst, run as they stand there.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/examples.sh"
require mkfs.ext4

fresh() { # <volume>: with a filesystem
	lvcreate -L 64M -n "$1" vg
	mkfs.ext4 -q "/dev/vg/$1"
}

cleanup() {
	umount -q /srv /mnt
	local name
	for name in web web-second web-monday lab disk disk-then clone; do
		rmdm $name
	done
}
defer cleanup

# README, dmsetup alone; the last lines are for after a reboot
fresh web
example README.md '### With dmsetup alone' > "$SCRATCH/readme"
sed '/^# after a reboot/,$d' "$SCRATCH/readme" > "$SCRATCH/before"
sed -n '/^# after a reboot/,$p' "$SCRATCH/readme" > "$SCRATCH/after"
run "$SCRATCH/before"
cp "$TOP"/kernel/*.c /srv
umount /srv
rmdm web-second
rmdm web
run "$SCRATCH/after"
mount /dev/mapper/web /srv
diff <(cat "$TOP"/kernel/*.c) <(cat /srv/*.c) || fail "files differ after a new start"
umount /srv
rmdm web
for name in web-d2 web-d1 web; do
	lvremove -y vg/$name
done

# README, redosetup
fresh web
example README.md '### With redosetup' > "$SCRATCH/readme"
run "$SCRATCH/readme"
status_is web $ST_MODE rw || fail "after the last line: $(status web)"
redosetup deactivate --all
losetup -D
rm -f /dev/vg/*

# redo.rst: from "A chain of one delta" to the revert and the clone
fresh disk
example Documentation/redo.rst Examples > "$SCRATCH/all"
# without what is another way to do the same, and mounts
awk '/^while / { exit }
	/^dmsetup create disk --table "0 \$\(blockdev/ { next }
	/^dmsetup suspend disk$/ && suspended++ == 1 { skip = 3 }
	skip { skip--; next }
	/^(umount|mount) / { next }
	{ print }' "$SCRATCH/all" > "$SCRATCH/examples"
cat "$SCRATCH/examples"
run "$SCRATCH/examples"
[[ $(status disk $ST_DELTAS) -eq 2 && $(status clone $ST_DELTAS) -eq 2 ]] ||
	fail "status: $(status disk), $(status clone)"
