# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 400
#
# The nbdkit plugin: nbdcopy and qemu-img copy a view in full, and an increment by the holes
# that it tells of, byte for byte; the commands are those of Documentation/cbt.rst. Where it
# is not known what has changed, it does not start.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/examples.sh"
require nbdkit nbdcopy nbdinfo qemu-img
plugin=$TOP/build/userspace/nbdkit-redo-plugin.so
[[ -e $plugin ]] || skip "the plugin was not built"

S=$SCRATCH
mkdir -p /backup
forget() {
	local d f
	for f in /run/full.pid /run/inc.pid; do
		[[ ! -e $f ]] || kill "$(cat $f)"
	done
	for d in web-wed web-thu web; do
		wait_for 10 rmdm $d
	done
	rm -rf /backup /run/{full,inc}.{pid,sock}
}
defer forget

lvcreate -L 16M -n web vg
lvcreate -L 24M -n web-cbt vg
lvcreate -L 16M -n copy vg
dev=/dev/mapper/web
rio /dev/vg/web "w 0 5M 1" "w 8M 1M 1"
rio /dev/vg/copy "w 0 16M 9"
redosetup init web /dev/vg/web --cbt /dev/vg/web-cbt
rio --model "$S/model" $dev "w 2M 300k 2" "w 12M 64k 2" f
redosetup snapshot web@wed
keep wed model
# zeroes that are new, as data and as such, where there was something
rio --model "$S/model" $dev "x 20 2 128k" "w 9M 64k 3" "n 1M 128k" "z 2M 128k" "n 8M 4k" f
redosetup snapshot web@thu
keep thu model
rio --model "$S/model" $dev "x 20 4 128k" f
id=$(redosetup show web@wed -o change_id --noheadings | tr -d ' ')
[[ $id == */* ]] || fail "web@wed has no change id: $id"

example Documentation/cbt.rst 'Through NBD' | sed "s# nbdkit-redo-plugin.so# $plugin#" > "$S/all"
# documented <beginning of the line>: run it; it must be there
documented() {
	grep -F -m 1 -- "$1" "$S/all" > "$S/line" || fail "cbt.rst has no line with: $1"
	run "$S/line"
}

# is <file or device> <model>
is() {
	cmp "$S/$2" "$1" || fail "$1 is not $2"
}

# ---- in full
documented 'redosetup view web@wed' > /dev/null
documented 'web-wed ] /dev/vg/copy'
is /dev/vg/copy wed
nbdcopy -- [ nbdkit "$plugin" web-wed ] "$S/file"
is "$S/file" wed
documented 'redosetup view web@thu' > /dev/null
nbdcopy -- [ nbdkit "$plugin" web-thu ] "$S/file"
is "$S/file" thu

# ---- an increment: to a device, and to a file that is served
documented 'nbdcopy --destination-is-zero -S 0'
is /dev/vg/copy thu
cp "$S/wed" "$S/file"
nbdcopy --destination-is-zero -S 0 -- [ nbdkit "$plugin" web-thu chain=web since="$id" ] \
	[ nbdkit file "$S/file" ]
is "$S/file" thu
# and only what has changed
nbdinfo --map --json -- [ nbdkit "$plugin" web-thu chain=web since="$id" ] > "$S/map"
changed=$(/usr/bin/python3 -c 'import json, sys
print(sum(e["length"] for e in json.load(sys.stdin) if not e["type"]))' < "$S/map")
[[ $changed -gt 400000 && $changed -lt 9000000 ]] || fail "$changed bytes have changed: $(cat "$S/map")"
# what the document calls wrong is
for wrong in '--destination-is-zero' '-S 0'; do
	cp "$S/wed" "$S/file"
	# shellcheck disable=SC2086 # words
	nbdcopy $wrong -- [ nbdkit "$plugin" web-thu chain=web since="$id" ] [ nbdkit file "$S/file" ]
	cmp -s "$S/file" "$S/thu" && fail "nbdcopy $wrong is right, and cbt.rst says it is not"
done

# ---- qemu-img: images one on the other
documented 'nbdkit -U /run/full.sock'
documented "'nbd+unix:///?socket=/run/full.sock'"
documented 'nbdkit -U /run/inc.sock'
documented "'nbd+unix:///?socket=/run/inc.sock'"
qemu-img convert -f qcow2 -O raw /backup/wed.qcow2 "$S/file"
is "$S/file" wed
qemu-img convert -f qcow2 -O raw /backup/thu.qcow2 "$S/file"
is "$S/file" thu
[[ $(stat -c %s /backup/thu.qcow2) -lt $(stat -c %s /backup/wed.qcow2) ]] ||
	fail "the increment is as large as the full one"
qemu-img commit -q /backup/thu.qcow2
qemu-img convert -f qcow2 -O raw /backup/wed.qcow2 "$S/file"
is "$S/file" thu

# ---- what it refuses
# starts_not <text> <parameter>...: it must not serve anybody
starts_not() {
	local text=$1
	shift
	if nbdkit -f -U "$S/none" "$plugin" "$@" --run 'nbdinfo --map "$uri"' > "$S/out" 2> "$S/err"; then
		fail "nbdkit $* serves: $(cat "$S/out")"
	fi
	grep -qE -- "$text" "$S/err" || fail "nbdkit $*: does not say \"$text\": $(cat "$S/err")"
}
starts_not 'full backup' web-thu chain=web since="${id%/*}/9999"
starts_not 'tracker.*full backup' web-thu chain=web \
	since="$(cat /proc/sys/kernel/random/uuid)/1"
starts_not 'chain=' web-thu since="$id"
starts_not 'change id' web-thu chain=web since=yesterday
starts_not 'no-such' web-thu chain=no-such since="$id"
starts_not 'is no view' web
starts_not 'no-such' no-such
# the view of the base alone has no delta that could know
starts_not 'until=' web-wed chain=web since="$id"
nbdinfo --map -- [ nbdkit "$plugin" web-wed chain=web since="$id" until="$id" ] > "$S/map"
grep -q data "$S/map" && fail "from a point to itself something has changed: $(cat "$S/map")"
note "$changed bytes of 16 MiB"
