# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 300
#
# The examples of Documentation/cbt.rst, and README.md's of a backup, as they stand there: the
# loop with redosetup is run; the agent in C is compiled against the library by its header
# and its .so, and brings a copy up to date.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/examples.sh"
require cc

mkdir -p /backup
S=$SCRATCH
forget() {
	local d
	for d in web-s1 web-s2 web-s3 web-s4 web; do
		rmdm $d
	done
	rm -rf /backup
}
defer forget

example Documentation/cbt.rst 'An agent in C' > "$S/agent.c"
grep -q redo_tracker_query "$S/agent.c" || fail "no example in cbt.rst"
cc -O -Wall -Wextra -Werror -o "$S/agent" "$S/agent.c" -I"$TOP/userspace/lib" \
	-L"$TOP/build/userspace" -lredo
export LD_LIBRARY_PATH=$TOP/build/userspace

# agent <snapshot> [<change id>]: makes $S/copy the snapshot; prints the id
agent() {
	redosetup view "web@$1" > /dev/null
	"$S/agent" web "$1" "$S/copy" "${@:2}"
	redosetup view --remove "web@$1"
}

lvcreate -L 16M -n web vg
lvcreate -L 24M -n web-cbt vg
lvcreate -L 16M -n copy vg
lvcreate -L 16M -n web2 vg
dev=/dev/mapper/web

# run_loop <document> <heading> <target>: with somebody who uses the device meanwhile
run_loop() {
	local text n=0 lines
	rm -f "$S/model"
	rio /dev/vg/web "w 0 6M 1"
	example "$1" "$2" > "$S/loop"
	mapfile -t lines < "$S/loop"
	for text in "${lines[@]}"; do
		if [[ $text == *snapshot* ]]; then
			n=$((n + 1))
			rio --model "$S/model" $dev "w ${n}M 300k $n" "n 5M 64k" f
			keep at$n model
		fi
		echo "$text" > "$S/line"
		run "$S/line"
	done
	[[ $n -eq 2 ]] || fail "$n snapshots in the loop of $1"
	cmp "$3" "$S/at2" || fail "what was restored is not web@tue"
}

run_loop README.md '### Backups of what has changed' /dev/vg/web2
redosetup delete -y --all web 2> /dev/null
redosetup deactivate --forget web | grep -q 'change ids are void' || fail "--forget does not tell that tracking ends"
dd if=/dev/zero of=/dev/vg/web-cbt bs=1M count=1 conv=fsync status=none
rm -f /backup/*
run_loop Documentation/cbt.rst 'The loop with redosetup' /dev/vg/copy

# the agent: in full, then increments
rio --model "$S/model" $dev "x 20 5 128k" f
redosetup snapshot web@s1
keep s1 model
id1=$(agent s1)
same "$S/copy" "$S/s1"
[[ $id1 =~ ^[0-9a-f-]{36}/[0-9]+$ ]] || fail "the agent says: $id1"
rio --model "$S/model" $dev "x 20 6 128k" "z 2M 256k" f
redosetup snapshot web@s2
keep s2 model
id2=$(agent s2 "$id1")
same "$S/copy" "$S/s2"
[[ $id2 != "$id1" && ${id2%/*} == "${id1%/*}" ]] || fail "ids: $id1 $id2"
# that it was an increment: what has not changed is not copied again
rio --model "$S/model" $dev "w 1M 64k 7" f
redosetup snapshot web@s3
keep s3 model
printf 'spoilt' | dd of="$S/copy" bs=1 seek=$((8 << 20)) conv=notrunc status=none
id3=$(agent s3 "$id2")
cmp -s "$S/copy" "$S/s3" && fail "the agent has copied what has not changed"
dd if="$S/s3" of="$S/copy" bs=4k skip=2048 seek=2048 count=1 conv=notrunc status=none
same "$S/copy" "$S/s3"
# an id that nobody knows: it says why, and takes it in full
id4=$(agent s3 "${id3%/*}/999" 2> "$S/err")
grep -q 'full backup' "$S/err" || fail "the agent does not say why: $(cat "$S/err")"
same "$S/copy" "$S/s3"
[[ $id4 == "$id3" ]] || fail "the id of s3 is $id3 and $id4"
redosetup deactivate web
