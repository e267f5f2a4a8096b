# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: 6.12
#
# dmsetup's verbs behave as dmsetup's: the same output, the same exit status.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 32M
both() {
	local a=0 b=0
	dmsetup "$@" > "$SCRATCH/a" 2> "$SCRATCH/a.err" || a=$?
	redosetup "$@" > "$SCRATCH/b" 2> "$SCRATCH/b.err" || b=$?
	[[ $a -eq $b ]] || fail "$*: exit status $a and $b"
	cmp -s "$SCRATCH/a" "$SCRATCH/b" || fail "$*: $(diff "$SCRATCH/a" "$SCRATCH/b")"
	cmp -s "$SCRATCH/a.err" "$SCRATCH/b.err" || fail "$*: $(diff "$SCRATCH/a.err" "$SCRATCH/b.err")"
}

both ls
redosetup create chain --table "$(line "$base" "$d1")"
defer rmdm chain
for words in "ls" "ls --tree" "ls --target redo" "table" "table chain" "table --showkeys chain" \
	"status" "status chain" "status --target redo" "info" "info chain" \
	"info -c" "info -c --noheadings -o name,open chain" "deps" "deps chain" \
	"-c info" "targets" "version" "status nobody" "info nobody" "remove nobody" \
	"table --nonsense" "mknodes" "splitname a b" \
	"message chain 0 allocated 0 32768" "message chain 0 nonsense"; do
	# shellcheck disable=SC2086 # words
	both $words
done

redosetup suspend chain
[[ $(dmsetup info -c --noheadings -o suspended chain) == Suspended ]] || fail "not suspended"
redosetup resume chain
redosetup load chain --table "$(line "$base" "$d1" -- low_water 1)"
redosetup clear chain
redosetup reload chain --table "$(line "$base" "$d1" -- low_water 1)"
redosetup suspend --noflush chain
redosetup resume chain
[[ $(dmsetup table chain) == *"low_water 1" ]] || fail "table: $(dmsetup table chain)"
redosetup rename chain renamed
defer rmdm renamed
both status renamed
redosetup remove renamed
dmsetup info renamed > /dev/null 2>&1 && fail "not removed"
line "$base" "$d1" | redosetup create fromstdin
defer rmdm fromstdin
both table fromstdin

for words in "help" "help -c" "target-version" "target-version redo" "target-version nobody" \
	"measure" "measure fromstdin" "measure nobody" "mangle" "mangle fromstdin" \
	"setgeometry nobody 1 2 3 4" "setgeometry fromstdin 1" "stats list" "stats list fromstdin" \
	"stats print nobody" "stats help" "stats nonsense" "wipe_table nobody" "wait nobody" \
	"wait" "udevcookies" "udevflags 0"; do
	# shellcheck disable=SC2086 # words
	both $words
done

redosetup setgeometry fromstdin 64 16 32 0
geometry() {
	python3 -S -E -c 'import fcntl, struct, sys
print(*struct.unpack("BBHL", fcntl.ioctl(open(sys.argv[1]), 0x301, bytes(16))))' "$1"
}
[[ $(geometry /dev/mapper/fromstdin) == '16 32 64 0' ]] ||
	fail "geometry: $(geometry /dev/mapper/fromstdin)"
redosetup stats create fromstdin > /dev/null
both stats list fromstdin
both stats print fromstdin
redosetup stats delete --allregions fromstdin
[[ $(dmsetup stats list --noheadings fromstdin | wc -w) -eq 0 ]] || fail "stats delete"

# both wait for the next event, and both see it
nr=$(events fromstdin)
dmsetup wait fromstdin "$nr" > "$SCRATCH/a" & a=$!
redosetup wait fromstdin "$nr" > "$SCRATCH/b" & b=$!
sleep 0.5
kill -0 $a && kill -0 $b || fail "wait does not wait"
reload lsr fromstdin "$base" "$d1" -- low_water 1000
wait $a && wait $b || fail "wait has failed"
same "$SCRATCH/a" "$SCRATCH/b"
both wait fromstdin "$nr"
both wait --nonsense

redosetup wipe_table fromstdin
[[ $(dmsetup table fromstdin) == '0 32768 error '* ]] || fail "wiped: $(dmsetup table fromstdin)"
redosetup remove_all
both ls
both remove_all
[[ $(dmsetup ls) == 'No devices found' ]] || fail "left: $(dmsetup ls)"
