# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# A chain made by plain dmsetup, as README.md does it, under the tool: no delta has
# a name, and yet it is one chain, live and taken down.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/examples.sh"
require mkfs.ext4

cleanup() {
	umount -q /srv
	local name
	for name in web-second web-x web-y lab web other $nameless; do
		rmdm $name
	done
}
nameless=
defer cleanup

# is_listed <chain> <state> <deltas>: and nothing else, without a complaint
is_listed() {
	redosetup list --noheadings -o chain,state,deltas > "$SCRATCH/list" 2> "$SCRATCH/err"
	[[ $(xargs < "$SCRATCH/list") == "$*" && ! -s $SCRATCH/err ]] ||
		fail "expected $*: $(cat "$SCRATCH/list" "$SCRATCH/err")"
}

lvcreate -L 64M -n web vg
mkfs.ext4 -q /dev/vg/web
example README.md '### With dmsetup alone' | sed '/^# after a reboot/,$d' > "$SCRATCH/readme"
run "$SCRATCH/readme"

# live, with a view beside it
is_listed web active 2
redosetup tree web > "$SCRATCH/tree"
[[ $(grep -c '^base' "$SCRATCH/tree") -eq 1 && $(grep -c 'web (no name)' "$SCRATCH/tree") -eq 2 ]] ||
	fail "tree: $(cat "$SCRATCH/tree")"
redosetup activate --all || fail "activate --all with all active"
umount /srv
rio /dev/mapper/web "w 32M 1M 7" f
cp /dev/mapper/web "$SCRATCH/web"

# down: known by the tree, activated without a name; only the view's table has the base
redosetup deactivate web
nameless=$(redosetup list --noheadings -o chain | xargs)
[[ $nameless =~ ^redo-[0-9a-f]{8}$ ]] || fail "list: $nameless"
is_listed $nameless inactive 2
redosetup activate --all || fail "activate --all beside the view"
cmp "/dev/mapper/$nameless" "$SCRATCH/web"
redosetup deactivate --all
# the view looks like the base; it is not taken for it
rmdm web-second
redosetup activate --all || fail "activate --all"
cmp "/dev/mapper/$nameless" "$SCRATCH/web"
redosetup deactivate $nameless
tool_refuses 1 'no such chain' activate web
size=$(sectors /dev/vg/web)
dmsetup create web --table "0 $size redo /dev/vg/web 2 /dev/vg/web-d1 /dev/vg/web-d2"

# the tool goes on with it, under the device's name from then on
redosetup snapshot web@x --size 32m
is_listed web active 3
cp /dev/mapper/web "$SCRATCH/x"
rio /dev/mapper/web "w 33M 1M 8" f
redosetup view web@x > /dev/null
cmp /dev/mapper/web-x "$SCRATCH/x"
redosetup view --remove web@x
cp /dev/mapper/web "$SCRATCH/web"
rmdm web
is_listed web inactive 3
redosetup activate --all
cmp /dev/mapper/web "$SCRATCH/web"
redosetup deactivate --all
redosetup activate web
redosetup revert -y web@x --size 32m > /dev/null
cmp /dev/mapper/web "$SCRATCH/x"
redosetup deactivate web
is_listed web inactive 3

# two writable devices over the same nameless delta
losetup -D
rm -f /dev/vg/*
lvcreate -L 64M -n two vg
for name in d1 d2 d3; do
	lvcreate -L 32M -n two-$name vg
done
rio /dev/vg/two "w 0 64M 1"
dmsetup create web --table "0 $size redo /dev/vg/two 1 /dev/vg/two-d1"
rio /dev/mapper/web "w 0 1M 2" f
reload lsr web /dev/vg/two /dev/vg/two-d1 /dev/vg/two-d2
dmsetup create other --table "0 $size redo /dev/vg/two 2 /dev/vg/two-d1 /dev/vg/two-d3"
rio /dev/mapper/other "w 0 1M 3" f
redosetup list --noheadings -o chain,state,deltas | xargs > "$SCRATCH/list"
[[ $(< "$SCRATCH/list") == "other active 2 web active 2" ]] || fail "list: $(cat "$SCRATCH/list")"
redosetup deactivate --all
# nothing says which of them is the chain's present, and so neither is taken
nameless=$(redosetup list --noheadings -o chain 2> /dev/null | xargs)
tool_refuses 1 'both active.*--device' activate "$nameless"
redosetup activate --device /dev/vg/two-d1 --device /dev/vg/two-d3 "$nameless"
rio "/dev/mapper/$nameless" "q 0 1M 3" "q 1M 63M 1"
