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
