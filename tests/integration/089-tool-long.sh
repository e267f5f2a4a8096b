# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# What takes long shows how far it is, and --background lets go of it.

. "$TOP/tests/lib/redo.sh"
require script
require_target delay

mkdisk base 8M
mkdisk d1 32M
mkdisk d2 32M
mkdisk copy 8M
rio "$base" "w 0 8M 1"
mkdm slow <<< "0 16384 delay $base 0 0"
redosetup init vm /dev/mapper/slow
defer rmdm vm
redosetup snapshot vm@s1 --delta "$d1"
rio /dev/mapper/vm "w 1M 1M 2" f
defer rmdm twin

# reads_take <milliseconds>: of the base
reads_take() {
	dmsetup suspend --noflush --nolockfs slow
	dmsetup load slow --table "0 16384 delay $base 0 $1 $base 0 0"
	dmsetup resume slow
}

clone() {
	redosetup clone --full --to "$copy" "$@" vm@s1 twin
}

# twin_is <seed>: a copy of the point, whole; and off it goes
twin_is() {
	rio /dev/mapper/twin "q 0 8M 1"
	redosetup deactivate --forget twin
	dd if=/dev/zero of="$copy" bs=1M count=8 conv=fsync status=none
}

# quick: nothing is shown
clone 2> "$SCRATCH/err"
[[ ! -s $SCRATCH/err ]] || fail "progress of what is quick: $(cat "$SCRATCH/err")"
twin_is

# plain lines, in order, none twice
reads_take 30
clone 2> "$SCRATCH/err"
grep -qvxE 'copying: [0-9]{1,3}%' "$SCRATCH/err" && fail "lines: $(cat "$SCRATCH/err")"
sort -c -u -t ' ' -k 2n "$SCRATCH/err" || fail "order: $(cat "$SCRATCH/err")"
[[ $(wc -l < "$SCRATCH/err") -ge 3 ]] || fail "few lines: $(cat "$SCRATCH/err")"
twin_is

# a bar on a terminal, full at the end
export LD_LIBRARY_PATH=$TOP/build/userspace
script -qec "$TOP/build/userspace/redosetup clone --full --to $copy vm@s1 twin" \
	/dev/null > "$SCRATCH/bar"
tr '\r' '\n' < "$SCRATCH/bar" > "$SCRATCH/bars"
[[ $(grep -cE '^copying \[#*\.*\] +[0-9]+%$' "$SCRATCH/bars") -ge 4 ]] ||
	fail "bars: $(cat "$SCRATCH/bars")"
grep -qE '^copying \[#{40}\] 100%$' "$SCRATCH/bars" || fail "not full: $(cat "$SCRATCH/bars")"
twin_is

# a backup and what it is restored to, with the rate and the time that is left
reads_take 200
redosetup backup vm@s1 2> "$SCRATCH/err" > "$SCRATCH/backup"
tail -n 1 "$SCRATCH/err" | grep -q 'full backup' || fail "at the end: $(cat "$SCRATCH/err")"
sed -i '$d' "$SCRATCH/err"
grep -qvxE 'backing up vm@s1: [0-9]{1,3}%, [0-9.]+ MiB/s, [0-9]+:[0-9]{2} left' "$SCRATCH/err" &&
	fail "lines of a backup: $(cat "$SCRATCH/err")"
[[ -s $SCRATCH/err ]] || fail "a backup shows nothing"
script -qec "$TOP/build/userspace/redosetup backup vm@s1 -o $SCRATCH/file" /dev/null > "$SCRATCH/bar"
tr '\r' '\n' < "$SCRATCH/bar" > "$SCRATCH/bars"
grep -qE '^backing up vm@s1 \[#{40}\] 100%' "$SCRATCH/bars" || fail "not full: $(cat "$SCRATCH/bars")"
! script -qec "$TOP/build/userspace/redosetup backup vm@s1" /dev/null > "$SCRATCH/bar" ||
	fail "a backup to a terminal"
grep -q 'not for a terminal' "$SCRATCH/bar" || fail "to a terminal: $(head -c 200 "$SCRATCH/bar")"
redosetup restore "$copy" "$SCRATCH/backup" > /dev/null
rio "$copy" "q 0 8M 1"
dd if=/dev/zero of="$copy" bs=1M count=8 conv=fsync status=none

reads_take 30

# in the background: the caller is let go, and the system log has the rest
python3 -S -E - "$SCRATCH/syslog" << 'EOF' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('/dev/log')
with open(sys.argv[1], 'wb', 0) as out:
    while True:
        out.write(s.recv(65536).rstrip(b'\0\n') + b'\n')
EOF
defer kill $!
defer rm -f /dev/log
wait_for 20 test -e "$SCRATCH/syslog"
logged() { grep -qaE -- "redosetup\[[0-9]+\]: $1\$" "$SCRATCH/syslog"; }

said=$(clone --background)	# a pipe: it must let go of that, too
[[ $said =~ ^twin\ goes\ on\ in\ the\ background\ as\ process\ ([0-9]+)\;\ see\ the\ system\ log$ ]] ||
	fail "it says: $said"
pid=${BASH_REMATCH[1]}
kill -0 "$pid" || fail "process $pid is not there"
dmsetup info twin > /dev/null 2>&1 && fail "it has not gone on in the background"
wait_for 60 logged 'clone: done'
logged 'copying: [1-9][0-9]?%' || fail "no progress: $(cat "$SCRATCH/syslog")"
twin_is

# what is wrong is said at once, where that can be known...
: > "$SCRATCH/syslog"
tool_refuses 1 'not a block device' clone --full --to /dev/null --background vm@s1 twin
tool_refuses 2 'goes with --full' clone --background --delta "$d2" vm@s1 twin
tool_refuses 1 'is active' check --background vm
tool_refuses 1 'in use' check --background "$d1"
tool_refuses 1 . check --background /dev/nonexistent
tool_refuses 2 'JSON' check --background --reportformat json "$d1"
[[ ! -s $SCRATCH/syslog ]] || fail "in the log: $(cat "$SCRATCH/syslog")"
[[ $(clone --background -n) == would* ]] || fail "dry run: $(clone --background -n)"
# ... and later in the log
mkdisk short 4M
redosetup clone --background --full --to "$short" vm@s1 twin > /dev/null
wait_for 30 logged "redosetup clone: $short: smaller than .*"
wait_for 30 test "$(dmsetup info -c --noheadings -o name twin-redo-copy 2> /dev/null)" = ''
reads_take 0

redosetup deactivate vm
redosetup check --background "$d1" > /dev/null
wait_for 30 logged 'check: done'
logged "$d1: clean .*" || fail "the check: $(cat "$SCRATCH/syslog")"
poke "$d1" set sb data_used +1
redosetup check --background "$d1" > /dev/null
wait_for 30 logged "$d1: DAMAGED .*"
logged "$d1: .*data grains.*" || fail "the problem: $(cat "$SCRATCH/syslog")"
