# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 480
#
# The examples of README.md and Documentation/redo.rst, run as they stand there.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/examples.sh"
require mkfs.ext4

fresh() { # <volume>: with a filesystem
	lvcreate -L 128M -n "$1" vg
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

# redo.rst, from the top: only the script that runs beside is started beside, and
# between the examples there is somebody who uses the file system.
fresh disk
logical_volume_max=48M
example Documentation/redo.rst Examples > "$SCRATCH/all"

# part <first line> [<line after the last>]: of the examples, by how the lines begin
part() {
	awk -v from="$1" -v to="${2:-}" '
		to != "" && index($0, to) == 1 { exit }
		index($0, from) == 1 { on = 1 }
		on { print; n++ }' "$SCRATCH/all" > "$SCRATCH/part"
	tee -a "$SCRATCH/parts" < "$SCRATCH/part"
	run "$SCRATCH/part"
}

# says <directory> <text>: what the file there holds
says() {
	[[ $(cat "$1/note") == "$2" ]] || fail "$1/note is $(cat "$1/note"), not $2"
}

part sectors= 'lvcreate -L 2G -n disk-d1'
echo base > /srv/note
part 'lvcreate -L 2G -n disk-d1' 'lvcreate -L 2G -n disk-d2'
echo one > /srv/note
part 'lvcreate -L 2G -n disk-d2' 'dmsetup create disk-then'
echo two > /srv/note
part 'dmsetup create disk-then' 'umount /srv'
says /mnt one
says /srv two
part 'umount /srv' 'while '
says /srv one
says /mnt one

# The delta has a unit for metadata and two for data: the loop has to extend it. It
# ends by itself when the device is removed.
part_of_loop() {
	sed -n '/^while /,/^done/p' "$SCRATCH/all"
}
part_of_loop >> "$SCRATCH/parts"
before=$(sectors /dev/vg/disk-r1)
(set +eE; trap - ERR EXIT; eval "$(part_of_loop)") &
loop=$!
defer kill $loop
for i in 1 2 3; do
	dd if=/dev/urandom of=/srv/large$i bs=1M count=16 conv=fsync status=none
done
grown() {
	[[ $(sectors /dev/vg/disk-r1) -gt $before ]]
}
wait_for 30 grown
status_is disk $ST_SPACE ok || fail "after the loop has extended it: $(status disk)"
sums=$(cat /srv/large* | cksum)
echo three > /srv/note

part 'umount /mnt' 'lvremove -y vg/clone-d1'
wait_for 30 eval "! kill -0 $loop 2> /dev/null"
says /srv three
[[ $(cat /srv/large* | cksum) == "$sums" ]] || fail "files differ after a new start"
[[ $(status disk $ST_DELTAS) -eq 2 && $(status disk $ST_MODE) == rw ]] ||
	fail "after a new start: $(status disk)"
part 'lvremove -y vg/clone-d1'
says /srv three
[[ $(cat /srv/large* | cksum) == "$sums" ]] || fail "files differ after the merge"
[[ $(status disk $ST_DELTAS) -eq 0 && $(status disk $ST_MODE) == passthrough ]] ||
	fail "at the end: $(status disk)"
diff "$SCRATCH/all" "$SCRATCH/parts" || fail "not every line of the examples was run, in its order"
