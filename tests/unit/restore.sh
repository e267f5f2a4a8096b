#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# redosetup restore of streams that were made without libredo: out of files, one file and
# pipes comes what a plain model has; of disks that grow and shrink, too.

set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
tool=$PWD/build/userspace/redosetup
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0 number=0

# check <text> <command>...
check() {
	local text=$1
	shift
	number=$((number + 1))
	if "$@" > "$tmp/out" 2>&1; then
		echo "ok $number - $text"
	else
		sed 's/^/# /' "$tmp/out"
		echo "not ok $number - $text"
		status=1
	fi
}

# <round>/<n>.stream, <n>.img what is to come out of the first n, all.stream
PYTHONPATH=tests/fuzz /usr/bin/python3 - "$tmp" << 'END'
import os, random, sys
from streams import stream
for round in range(6):
    r = random.Random(round)
    d = os.path.join(sys.argv[1], str(round))
    os.mkdir(d)
    size, disk, whole = 40 * 512, bytearray(), b''
    for n in range(1, 6):
        old = len(disk)
        if n > 1 and round > 2:     # grows and shrinks
            size = r.choice((40, 30, 50)) * 512
        disk = disk[:size] + bytes(size - len(disk[:size]))
        records, at = [], 0
        while at < size:
            length = min(r.randrange(1, 9) * 512, size - at)
            what = r.choice(('data', 'zero', 'same'))
            if what == 'same' and (n == 1 or at + length > old):
                what = 'zero'       # in full, and what is new
            if what == 'data':
                data = r.randbytes(length)
                records.append((at, data))
                disk[at:at + length] = data
            elif what == 'zero':
                records.append((at, length))
                disk[at:at + length] = bytes(length)
            at += length
        s = stream(size, n, n - 1, records, uuid=bytes([n]) * 16)
        whole += s
        for name, data in ((f'{n}.stream', s), (f'{n}.img', disk), ('all.stream', whole)):
            with open(os.path.join(d, name), 'wb') as f:
                f.write(data)
END

all_ways() {
	local d n files
	for d in "$tmp"/[0-9]; do
		for n in 1 2 3 4 5; do
			mapfile -t files < <(seq -f "$d/%g.stream" "$n")
			"$tool" restore "$tmp/a" "${files[@]}" && cmp "$tmp/a" "$d/$n.img" &&
			"$tool" restore --verify "$tmp/a" "${files[@]}" &&
			cat "${files[@]}" | "$tool" restore "$tmp/b" && cmp "$tmp/b" "$d/$n.img" || return
			rm "$tmp/a" "$tmp/b"
		done
		"$tool" restore "$tmp/a" "$d/all.stream" && cmp "$tmp/a" "$d/5.img" &&
		"$tool" restore --verify "$tmp/a" "$d/all.stream" &&
		"$tool" restore -y "$tmp/a" <(cat "$d/1.stream") <(cat "$d/2.stream") &&
		cmp "$tmp/a" "$d/2.img" &&
		"$tool" restore --since 54545454-5454-5454-5454-545454545454/2 "$tmp/a" "$d/3.stream" &&
		cmp "$tmp/a" "$d/3.img" || return
		rm "$tmp/a"
	done
}

differs() {
	local n
	"$tool" restore "$tmp/a" "$tmp/0/1.stream" || return
	for n in 0 10000 20479; do
		cp "$tmp/a" "$tmp/b"
		printf '\xa5\x5a' | dd of="$tmp/b" bs=1 seek=$n count=2 conv=notrunc status=none
		! "$tool" restore --verify "$tmp/b" "$tmp/0/1.stream" || return
	done
	truncate -s 20000 "$tmp/b"
	! "$tool" restore --verify "$tmp/b" "$tmp/0/1.stream" || return
	rm "$tmp/a" "$tmp/b"
}

# refused <text> <stream>...: and no file is made
refused() {
	local text=$1
	shift
	! "$tool" restore "$tmp/n" "$@" 2> "$tmp/err" && grep -q "$text.*nothing was written" "$tmp/err" &&
		[[ ! -e $tmp/n ]] || { cat "$tmp/err"; return 1; }
}

orders() {
	local d=$tmp/0
	refused 'missing' "$d/1.stream" "$d/3.stream" &&
	refused 'has to come before' "$d/2.stream" &&
	refused 'the order is wrong' "$d/1.stream" "$d/2.stream" "$d/3.stream" "$d/2.stream" "$d/2.stream" &&
	refused 'has to come before' "$d/2.stream" "$d/1.stream" &&
	refused 'not one byte' "$d/1.stream" <(:) "$d/2.stream"
}

# A disk that has grown, and an increment that does not have all that it has grown by
growth() {
	PYTHONPATH=tests/fuzz /usr/bin/python3 -c '
import sys
from streams import stream
d = sys.argv[1]
def put(name, *args):
    open(d + name, "wb").write(stream(*args))
put("/g1", 8192, 1, 0, [(0, 8192)])
put("/g2", 16384, 2, 1, [(512, b"x" * 512), (8192, 8192)])
put("/gap", 16384, 2, 1, [(4096, 4096), (8704, 7680)])
put("/short", 16384, 2, 1, [(4096, b"x" * 8192)])
put("/none", 16384, 2, 1, [])' "$tmp"
	refused 'bytes 8192 to 8704, by which' "$tmp/g1" "$tmp/gap" &&
	refused 'bytes 12288 to 16384, by which' "$tmp/g1" "$tmp/short" &&
	refused 'bytes 8192 to 16384, by which' "$tmp/g1" "$tmp/none" &&
	"$tool" restore "$tmp/a" "$tmp/g1" "$tmp/g2" && rm "$tmp/a"
}

# The holes of a disk are no blocks of the file, and a hole is punched into what there was.
sparse() {
	PYTHONPATH=tests/fuzz /usr/bin/python3 -c '
import sys
from streams import stream
MIB = 1 << 20
open(sys.argv[1], "wb").write(stream(64 * MIB, 1, 0, [(0, b"x" * 4096), (4096, 64 * MIB - 4096)]))
open(sys.argv[2], "wb").write(stream(64 * MIB, 2, 1, [(0, 4096)]))' "$tmp/full" "$tmp/inc"
	"$tool" restore "$tmp/a" "$tmp/full" && [[ $(stat -c '%s' "$tmp/a") -eq 67108864 ]] &&
	[[ $(stat -c '%b' "$tmp/a") -le 16 ]] && before=$(stat -c %b "$tmp/a") &&
	"$tool" restore --since 54545454-5454-5454-5454-545454545454/1 "$tmp/a" "$tmp/inc" &&
	[[ $(stat -c '%b' "$tmp/a") -lt $before ]]
}

check 'restore: files, one file, pipes: what the model has' all_ways
check 'restore --verify sees what differs' differs
check 'restore: a wrong order is refused before anything is written' orders
check 'restore: a disk that has grown' growth
check 'restore: holes stay holes' sparse
exit $status
