# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 300
#
# Reports: fields, order, selection, units and JSON of list and show, as of lvs; and a
# dry run of each command that changes something, which says so and changes nothing.

. "$TOP/tests/lib/redo.sh"

mkdisk big 32M
mkdisk small 16M
for d in d1 d2 d3 e1 spare target; do
	mkdisk $d 48M
done
redosetup init big "$big"
defer rmdm big
redosetup init small "$small"
defer rmdm small
redosetup snapshot big@one --delta "$d1"
redosetup snapshot big@two --delta "$d2" --description 'with "quotes"'
redosetup snapshot small@one --delta "$e1"
rio /dev/mapper/big "w 0 1M 1" f

# prints <wanted> <argument of redosetup>...: lines joined by "/", without spaces at the ends
prints() {
	local wanted=$1 got
	shift
	got=$(redosetup "$@" | sed 's/^ *//; s/ *$//; s/  */ /g' | paste -sd/)
	[[ $got == "$wanted" ]] || fail "redosetup $*: \"$got\", expected \"$wanted\""
}

# fields and headings
prints 'Chain Size/big 32.00m/small 16.00m' list -o chain,size
prints 'big 2 32.00m/small 1 16.00m' list --noheadings -o chain,deltas,size
prints 'big 2' list --noheadings -o chain,deltas big
[[ $(redosetup list -o +features | head -n 1 | xargs) == 'Chain Size Deltas Active State Snapshots Features' ]] ||
	fail "list -o +features: $(redosetup list -o +features)"
# order
prints 'small/big' list --noheadings -o chain --sort size
prints 'big/small' list --noheadings -o chain -O -size
prints 'two/one/one' list --deltas --noheadings -o snapshot -O -snapshot,chain
prints "$e1/$d1/$d2" list --deltas --noheadings -o delta --sort -chain,depth
# selection
prints 'big' list --noheadings -o chain -S 'size>16m'
prints 'big/small' list --noheadings -o chain --select 'size>=16m && state=active'
prints '' list --noheadings -o chain -S 'size>32m'
prints "$d2" list --deltas --noheadings -o delta -S 'role=present && chain=big'
prints "$d1" list --deltas --noheadings -o delta -S 'state=sealed'
prints 'small' list --noheadings -o chain -S 'chain=~^s'
# units
prints '33554432b' list --noheadings -o size --units b big
prints '65536s' list --noheadings -o size --units s big
prints '32768.00k' list --noheadings -o size --units k big
prints '33554.43K' list --noheadings -o size --units K big
# show
prints 'two' show --noheadings -o snapshot big@two
prints "$d1/sealed" show --noheadings -o delta,state "$d1"

# JSON: the same rows, and texts as they were given
json() { # <expression of report r> <argument>...
	local expression=$1
	shift
	redosetup "$@" --reportformat json > "$SCRATCH/json"
	/usr/bin/python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$SCRATCH/json" "$expression" ||
		fail "redosetup $*: not $expression: $(cat "$SCRATCH/json")"
}
json "[c['chain'] for c in r['report'][0]['chain']] == ['small', 'big']" list -O size
json "[c['chain'] for c in r['report'][0]['chain']] == ['big']" list -S 'deltas=2'
json "'with \"quotes\"' in [d['description'] for d in r['report'][0]['delta']]" \
	list --deltas -o +description
redosetup tree --reportformat json | grep -q quotes || fail "tree lacks a description"

# wrong ones
tool_refuses 2 'nonsense' list -o nonsense
tool_refuses 2 'nonsense' list -O nonsense
tool_refuses 2 'nonsense' list -S 'nonsense=1'
tool_refuses 2 '.' list --units x
for what in list 'list --deltas' "show $d1"; do
	# shellcheck disable=SC2086 # words
	redosetup $what -o help > "$SCRATCH/help" 2>&1 || fail "$what -o help: exit status $?"
	grep -q description "$SCRATCH/help" || grep -q snapshots "$SCRATCH/help" ||
		fail "$what -o help: $(cat "$SCRATCH/help")"
done

# a dry run
all=("$big" "$small" "$d1" "$d2" "$d3" "$e1" "$spare" "$target")
# One answer for all that could change: tables, writes to the devices, register, files
now() {
	dmsetup table
	writes "${all[@]}"
	cat "$REDO_CHAINS"
	losetup -ln -O NAME,BACK-FILE
	(cd "$SCRATCH" && stat -c '%n %s' ./*.img)
}
sync
dmsetup suspend small
dmsetup resume small
dry() {
	local before after
	before=$(now)
	redosetup "$@" --dry-run > "$SCRATCH/out" 2> "$SCRATCH/err" ||
		fail "redosetup $* --dry-run: $(cat "$SCRATCH/err")"
	grep -q '^would ' "$SCRATCH/out" || fail "redosetup $* --dry-run says nothing: $(cat "$SCRATCH/out")"
	after=$(now)
	[[ $before == "$after" ]] || fail "redosetup $* --dry-run: $(diff <(echo "$before") <(echo "$after"))"
}
# all that is written is on the disks, and the timer has nothing more to do
redosetup deactivate big
redosetup deactivate small
dry init other "$spare"
dry format --base "$big" "$spare"
dry activate big
dry activate --all
dry view big@two
dry clone big@two lab --delta "$spare"
dry clone big@two lab --full --to "$target"
dry grow big
redosetup activate --all
dry deactivate big
dry deactivate --all
dry snapshot big@three --delta "$spare"
dry snapshot big@three small@three
dry revert big@one --delta "$spare"
redosetup view big@two > /dev/null
defer rmdm big-two
dry view --remove big@two
