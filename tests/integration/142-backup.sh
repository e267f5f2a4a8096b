# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 400
#
# redosetup backup and restore: what comes back is byte for byte the snapshot, from a full
# backup and from its increments, with a snapshot deleted between; and what is cut off,
# damaged, out of order or another disk's is refused.

. "$TOP/tests/lib/redo.sh"

forget() {
	local d
	for d in vm-s2 vm other plain; do
		rmdm $d
	done
}
defer forget

mkdisk base 16M
mkdisk store 16M
for d in d1 d2 d3 d4 d5 d6 d7 d8 o1 p1; do
	mkdisk $d 32M
done
mkdisk target 24M
mkdisk small 8M
S=$SCRATCH
rio "$base" "w 0 5M 1" "w 9M 1M 1"
dev=/dev/mapper/vm

# restored <model> <file or device>: they are the same; a device may be larger
restored() {
	cmp -n "$(stat -c %s "$S/$1")" "$S/$1" "$2" || fail "$2 is not $1"
}

# no_view: nothing that backup has made is left
no_view() {
	dmsetup ls | grep redo-backup && fail "a view was left behind"
	return 0
}

# nothing: a refused restore has written nothing
nothing() {
	tool_refuses 1 "$1.*nothing was written" restore -y "${@:2}"
}

# id_of <output of backup>
id_of() {
	sed -n 's/.*change id //p' "$1"
}

# ---- without tracking: full backups, and increments are refused with the reason
mkdisk pbase 4M
rio "$pbase" "w 0 1M 7"
redosetup init plain "$pbase"
redosetup snapshot plain@a --delta "$p1"
redosetup backup plain@a -o "$S/plain.redo" > "$S/said"
grep -q 'full backup.*not tracked, change id none$' "$S/said" || fail "it says: $(cat "$S/said")"
tool_refuses 1 'no change id.*not tracked.*full backup' backup plain@a --since plain@a -o "$S/x"
[[ ! -e $S/x && ! -e $S/x.part ]] || fail "a refused backup has left a file"
redosetup restore "$S/plain.img" "$S/plain.redo"
cp "$pbase" "$S/pmodel"
same "$S/plain.img" "$S/pmodel"
# the base is 4 MiB, of which only one is no hole in the end
[[ $(stat -c %b "$S/plain.img") -le 2100 ]] || fail "the file is not sparse"
no_view

# what a killed one has left does not matter, what another one writes does
echo rubbish > "$S/p2.redo.part"
redosetup backup plain@a -o "$S/p2.redo" > /dev/null
redosetup restore --verify "$S/plain.img" "$S/p2.redo"
[[ ! -e $S/p2.redo.part ]] || fail "p2.redo.part is there beside p2.redo"
exec {lock}> "$S/p3.redo.part"
flock $lock
tool_refuses 1 'somebody else' backup plain@a -o "$S/p3.redo"
exec {lock}>&-
tool_refuses 1 'is there already' backup plain@a -o "$S/p2.redo" < /dev/null
# no snapshot; somewhere that is no file
tool_refuses 1 "of a snapshot.*redosetup snapshot plain@" backup plain -o "$S/x"
tool_refuses 1 'a block device' backup -y plain@a -o "$target"
tool_refuses 1 'a directory' backup plain@a -o "$S"

redosetup deactivate plain

# ---- a full one and two increments
redosetup init vm "$base" --cbt "$store"
rio --model "$S/model" $dev "w 2M 300k 2" "w 12M 64k 2" f
redosetup snapshot vm@s1 --delta "$d1"
keep s1 model
rio --model "$S/model" $dev "x 30 2 256k" "z 1M 512k" "n 3M 64k" f
redosetup snapshot vm@s2 --delta "$d2"
keep s2 model
rio --model "$S/model" $dev "x 30 3 128k" "d 2M 1M" f
redosetup snapshot vm@s3 --delta "$d3"
keep s3 model
rio --model "$S/model" $dev "x 20 4 128k" f

redosetup backup vm@s1 -o "$S/s1.redo" > "$S/said1"
redosetup backup vm@s2 --since vm@s1 -o "$S/s2.redo" > "$S/said2"
redosetup backup vm@s3 --since "$(id_of "$S/said2")" > "$S/s3.redo" 2> "$S/said3"
for n in 1 2 3; do
	grep -qE 'change id [0-9a-f-]{36}/[0-9]+$' "$S/said$n" || fail "said: $(cat "$S/said$n")"
done
no_view
for n in 2 3; do
	[[ $(stat -c %s "$S/s$n.redo") -lt $(stat -c %s "$S/s1.redo") ]] ||
		fail "s$n: as large as a full one"
done
redosetup restore "$S/r1.img" "$S/s1.redo"
same "$S/r1.img" "$S/s1"
redosetup restore "$S/r2.img" "$S/s1.redo" "$S/s2.redo"
same "$S/r2.img" "$S/s2"
redosetup restore "$S/r3.img" "$S/s1.redo" "$S/s2.redo" "$S/s3.redo"
same "$S/r3.img" "$S/s3"
redosetup restore --verify "$S/r3.img" "$S/s1.redo" "$S/s2.redo" "$S/s3.redo"
redosetup restore -n "$S/n.img" "$S/s1.redo" "$S/s2.redo" > "$S/plan"
grep -q "s1.redo: vm@s1, in full, change id $(id_of "$S/said1")$" "$S/plan" &&
	grep -q "s2.redo: vm@s2, .*since $(id_of "$S/said1"), change id $(id_of "$S/said2")$" "$S/plan" ||
	fail "the plan is $(cat "$S/plan")"
[[ ! -e $S/n.img ]] || fail "--dry-run made a file"
# step by step, from a pipe, to a device that held something else, and all in one
redosetup restore --since "$(id_of "$S/said1")" "$S/r1.img" "$S/s2.redo"
same "$S/r1.img" "$S/s2"
rio "$target" "w 0 24M 9"
cat "$S"/s[123].redo | redosetup restore "$target"
restored s3 "$target"
rio "$target" "q 16M 8M 9"
rio "$target" "w 0 16M 9"
redosetup restore "$target" <(cat "$S/s1.redo") <(cat "$S/s2.redo")
restored s2 "$target"
tool_refuses 1 'differs' restore --verify "$target" "$S/s1.redo"

# a view that is there is used, and stays
redosetup view vm@s2 > /dev/null
redosetup backup vm@s2 --since vm@s1 -o "$S/again.redo" > /dev/null
[[ -e /dev/mapper/vm-s2 ]] || fail "somebody else's view is gone"
no_view
redosetup view --remove vm@s2
cmp -s "$S/again.redo" "$S/s2.redo" && fail "two streams with the same id"
redosetup restore -y "$S/r2.img" "$S/s1.redo" "$S/again.redo"
same "$S/r2.img" "$S/s2"

# ---- a snapshot between goes; increments that jump over it come right
redosetup delete -y vm@s2 2> /dev/null
holds $dev model
rio --model "$S/model" $dev "x 20 5 128k" f
redosetup snapshot vm@s4 --delta "$d4"
keep s4 model
redosetup backup vm@s4 --since vm@s3 -o "$S/s4.redo" > "$S/said4"
redosetup backup vm@s4 --since "$(id_of "$S/said2")" -o "$S/s4from2.redo" > /dev/null
redosetup backup vm@s3 --since vm@s1 -o "$S/s3from1.redo" > /dev/null
redosetup restore "$S/r4.img" "$S"/s[1234].redo
same "$S/r4.img" "$S/s4"
redosetup restore -y "$S/r4.img" "$S"/s1.redo "$S"/s2.redo "$S/s4from2.redo"
same "$S/r4.img" "$S/s4"
redosetup restore -y "$S/r4.img" "$S/s1.redo" "$S/s3from1.redo" "$S/s4.redo"
same "$S/r4.img" "$S/s4"
# overlaps are no harm
redosetup restore -y "$S/r4.img" "$S/s1.redo" "$S/s2.redo" "$S/s3from1.redo" "$S/s4from2.redo"
same "$S/r4.img" "$S/s4"

# ---- what is refused, before a byte is written
rm -f "$S/n.img"
nothing 'missing|order' "$S/n.img" "$S/s1.redo" "$S/s3.redo"
nothing 'full backup has to come before' "$S/n.img" "$S/s2.redo" "$S/s1.redo"
nothing 'order' "$S/n.img" "$S/s1.redo" "$S/s3from1.redo" "$S/s4.redo" "$S/s2.redo"
nothing 'full backup, not an increment' "$S/n.img" "$S/s1.redo" "$S/s1.redo"
nothing 'no change id' "$S/n.img" "$S/plain.redo" "$S/s2.redo"
nothing 'too small' "$small" "$S/s1.redo"
nothing 'no such device' /dev/vg-nosuch "$S/s1.redo"
[[ ! -e /dev/vg-nosuch ]] || fail "a file was made in /dev"
head -c -1 "$S/s2.redo" > "$S/cut.redo"
nothing 'cut off' "$S/n.img" "$S/s1.redo" "$S/cut.redo"
size=$(stat -c %s "$S/s1.redo")
for at in 100 1030 $((size / 2)) $((size - 10)); do
	cp "$S/s1.redo" "$S/flip.redo"
	byte=$(od -An -tu1 -j "$at" -N 1 "$S/flip.redo")
	printf "\\x$(printf %x $((byte ^ 4)))" |
		dd of="$S/flip.redo" bs=1 seek="$at" conv=notrunc status=none
	nothing 'damaged' "$S/n.img" "$S/flip.redo"
done
nothing 'not a backup stream' "$S/n.img" "$S/s1"
nothing 'not one byte' "$S/n.img" /dev/null
[[ ! -e $S/n.img ]] || fail "refused, and a file was made"
# from a pipe it is noticed later, and said what there is
tool_refuses 1 'cut off.*NOT RESTORED' restore "$S/n.img" <(head -c $((size / 2)) "$S/s1.redo")
# another disk's
mkdisk obase 16M
mkdisk ostore 16M
redosetup init other "$obase" --cbt "$ostore"
redosetup snapshot other@t1 --delta "$o1"
tool_refuses 1 'another tracker.*full backup' backup other@t1 --since "$(id_of "$S/said1")" -o "$S/x"
tool_refuses 1 'later than' backup vm@s1 --since vm@s3 -o "$S/x"
tool_refuses 1 'neither a change id' backup vm@s3 --since yesterday -o "$S/x"
redosetup backup other@t1 -o "$S/t1.redo" > /dev/null
nothing 'another tracker' "$S/n2.img" "$S/t1.redo" "$S/s2.redo"
# what is in use
tool_refuses 1 "$base.*--force" restore -y "$base" "$S/s1.redo"

# a disk that fails, on either side
mkdisk ebase 4M
mkdisk e1 32M
mkdm bad <<- END
	0 6144 linear $ebase 0
	6144 8 error
	6152 2040 linear $ebase 6152
END
redosetup init broken /dev/mapper/bad
defer rmdm broken
redosetup snapshot broken@a --delta "$e1"
log_mark 'a read error is expected'
tool_refuses 1 'broken@a: read error near byte 3145728' backup broken@a -o "$S/x"
[[ ! -e $S/x && ! -e $S/x.part ]] || fail "a backup that failed has left a file"
no_view
redosetup deactivate broken
nothing 'the base of chain broken' -y /dev/mapper/bad "$S/plain.redo"
tool_refuses 1 'write error.*NOT RESTORED' restore -y --force /dev/mapper/bad "$S/plain.redo"
rmdm bad
dd if=/dev/zero of="$e1" bs=4k count=3 conv=fsync status=none
redosetup restore -y "$ebase" "$S/plain.redo"
restored pmodel "$ebase"

# ---- interrupted: nothing is left
mkfifo "$S/pipe"
redosetup backup vm@s1 -o "$S/pipe" > /dev/null 2> "$S/err" & writer=$!
exec {reader}< "$S/pipe"
wait_for 20 eval 'dmsetup ls | grep -q redo-backup'
pkill -TERM -P $writer -x redosetup || kill -TERM $writer
status=0
wait $writer || status=$?
exec {reader}>&-
[[ $status -ne 0 ]] || fail "interrupted, and it says all is well"
no_view

# ---- the chain is down: in full it can be backed up
redosetup deactivate vm
tool_refuses 1 'not active.*full backup' backup vm@s3 --since vm@s1 -o "$S/x"
redosetup backup vm@s3 -o "$S/s3full.redo" > /dev/null
no_view
redosetup restore -y "$S/r3.img" "$S/s3full.redo" "$S/s4.redo"
same "$S/r3.img" "$S/s4"
redosetup activate vm

# ---- a revert: from the branch that was left, and from the point gone back to
redosetup revert -y vm@s3 --delta "$d5" > /dev/null
cp --sparse=always "$S/s3" "$S/model"
holds $dev model
rio --model "$S/model" $dev "x 10 6 128k" f
redosetup snapshot vm@s5 --delta "$d6"
keep s5 model
redosetup backup vm@s5 --since "$(id_of "$S/said4")" -o "$S/s5from4.redo" > /dev/null
redosetup backup vm@s5 --since vm@s3 -o "$S/s5from3.redo" > "$S/said5"
redosetup restore -y "$S/r5.img" "$S"/s[1234].redo "$S/s5from4.redo"
same "$S/r5.img" "$S/s5"
redosetup restore -y "$S/r5.img" "$S"/s[123].redo "$S/s5from3.redo"
same "$S/r5.img" "$S/s5"
redosetup restore -y "$S/r5.img" "$S"/s[1234].redo "$S/s5from3.redo"
same "$S/r5.img" "$S/s5"

# ---- all is merged into the base, which changes nothing; then it grows
redosetup delete -y --all vm 2> /dev/null
holds $dev model
redosetup snapshot vm@s6 --delta "$d7"
keep s6 model
redosetup backup vm@s6 --since "$(id_of "$S/said5")" -o "$S/s6.redo" > "$S/said6"
redosetup delete -y vm@s6 2> /dev/null
grow_disk base 20M
dmsetup load vm --table "0 40960 redo $base 0 2 cbt $store"
dmsetup suspend vm
dmsetup resume vm
truncate -s 20M "$S/model"
rio --model "$S/model" $dev "w 15M 2M 8" "w 19M 64k 8" f
redosetup snapshot vm@s7 --delta "$d8"
keep s7 model
redosetup backup vm@s7 --since "$(id_of "$S/said6")" -o "$S/s7.redo" > /dev/null
redosetup restore -y "$S/r7.img" "$S"/s[123].redo "$S/s5from3.redo" "$S/s6.redo"
same "$S/r7.img" "$S/s6"
redosetup restore --since "$(id_of "$S/said6")" "$S/r7.img" "$S/s7.redo"
same "$S/r7.img" "$S/s7"
redosetup restore -y "$S/r7.img" "$S"/s[123].redo "$S/s5from3.redo" "$S/s6.redo" "$S/s7.redo"
same "$S/r7.img" "$S/s7"
redosetup deactivate vm
note "s1 $(stat -c %s "$S/s1.redo"), s2 $(stat -c %s "$S/s2.redo"), s3 $(stat -c %s "$S/s3.redo") bytes"
