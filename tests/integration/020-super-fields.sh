# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 600
#
# Every field of the superblock tried wrong, in pairs with the last right value:
# the table is refused with the device's name, and no byte changes.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 48M		# three units
mkdisk d2 48M
rio "$base" "w 0 16M 1"
mkchain chain "$base" "$d1"
rio /dev/mapper/chain "w 0 200k 2" "w 8M 4k 2" f
reload lsr chain "$base" "$d1" "$d2"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 100k 8k 3" f
rmdm chain
good=$(sums "$d1" "$d2")

# only the superblocks are spoilt
for d in d1 d2; do
	dd if="${!d}" of="$SCRATCH/$d.good" bs=4k count=16 status=none
done
# spoil <delta> <verb> <field> <value>
spoil() {
	poke --restore "$SCRATCH/$1.good" 16 "${!1}" "$2" sbs "$3" "$4"
}
restore() {
	poke --restore "$SCRATCH/$1.good" 16 "${!1}" nothing
}

both=$(line "$base" "$d1" "$d2")
below=$(line "$base" "$d1")

# wrong <delta> <set or break> <field> <value> <text in the log>; every fifth one
# is tried read-only, too
tried=0
wrong() {
	local disk=${!1} before
	[[ $1 == "${last:=$1}" ]] || restore "$last"
	last=$1
	spoil "$1" "$2" "$3" "$4"
	before=$(writes "$d1" "$d2")
	echo "wrong: $*" > /dev/kmsg
	refused "$5" "$disk" "$both"
	((tried++ % 5)) || refused "$5" "$disk" "$both" -r
	[[ $(writes "$d1" "$d2") == "$before" ]] || fail "$1 with $3 $4 was written to"
}

# right <delta> <field> <value>: such a value is taken
right() {
	[[ $1 == "${last:=$1}" ]] || restore "$last"
	last=$1
	spoil "$1" set "$2" "$3"
	echo "right: $*" > /dev/kmsg
	mkdm view -r <<< "$both"
	holds /dev/mapper/view model
	rmdm view
}

# not a superblock at all, or a spoilt one
wrong d1 break flags ^1 'checksum'
wrong d2 break 500/4 ^1 'checksum'
wrong d2 set magic ^1 'magic|superblock'
wrong d1 set version 0 'version'
wrong d1 set version 2 'version'
wrong d1 set incompat 2 'feature'
wrong d2 set incompat 0x8000000000000000 'feature'
wrong d1 set blocknr +2 'address'
right d1 compat 1

wrong d1 set uuid 00000000000000000000000000000000 'field'
wrong d2 set tree_uuid 00000000000000000000000000000000 'field'
right d2 generation +1000

# sizes
wrong d1 set virtual_sectors +8 'sectors|size'
wrong d1 set virtual_sectors -8 'sectors|size'
wrong d2 set virtual_sectors 0 'field|sectors|size'
wrong d1 set base_sectors +8 'sectors|size|base'
wrong d1 set grain_sectors 4 'field|grain'
wrong d1 set grain_sectors 24 'field|grain'
wrong d2 set grain_sectors 0 'field|grain'
wrong d2 set grain_sectors 4096 'field|grain'
wrong d2 set grain_sectors 16 'grains of 16 sectors, its parent has 8'
right d2 nr_units 3
wrong d2 set nr_units 4 'units'
wrong d2 set nr_units 0 'field|units'
wrong d2 set nr_units 0xffffffffffffffff 'field|units'

# who and where
wrong d1 set state 0 'field|state'
wrong d1 set state 5 'field|state'
wrong d1 set depth 1 'field|depth'
wrong d2 set depth 0 'field|depth'
right d2 depth 2		# merges below have made it too large
right d2 depth 255
wrong d2 set depth 256 'field|depth'
wrong d1 set label_block 2 'field|label'
right d1 label_block 4
wrong d2 set parent_uuid 00112233445566778899aabbccddeeff 'parent'
wrong d2 set tree_uuid 00112233445566778899aabbccddeeff 'tree'
wrong d2 set parent_content ^1 'content|generation'
wrong d1 set base_fp_head ^1 'fingerprint|content'
wrong d1 set base_fp_tail ^1 'fingerprint|content'
# a cycle: it is its own parent
wrong d2 set parent_uuid "$(poke "$d2" get sb uuid)" 'field|parent'

# the trees
wrong d1 set map_root 0x1000000000000001 'root|field'
wrong d1 set map_root 0x1000000000000010 'root|field'
wrong d1 set map_root 0x1000000000001000 'root|field'
wrong d1 set map_root 0x1000000000003000 'root|field'
wrong d1 set map_root 0x1000ffffffffffff 'root|field'
wrong d1 set map_root 0xf000000000000000 'root|field'
wrong d1 set map_height 0 'height|field'
wrong d1 set map_height 2 'height|field'
wrong d1 set alloc_root 0x1000000000000001 'root|field'
wrong d1 set alloc_root 0x1000000000003000 'root|field'
wrong d1 set alloc_root 0x2000000000000000 'root|field'
wrong d1 set alloc_height 6 'height|field'
wrong d1 set nr_leaves 10 'leaves|field'
right d1 nr_leaves 9

# the journal
wrong d2 set journal_start 0 'journal|field'
wrong d2 set journal_start 17 'journal|field'
wrong d2 set journal_blocks 0 'journal|field'
wrong d2 set journal_blocks 1025 'journal|field'
wrong d2 set journal_blocks 63 'journal|field'
right d2 journal_blocks 64
wrong d2 set journal_blocks 0xffffffff 'journal|field'

# numbers that only rise: from 1 on, and never round
for field in generation chain_seq replay_seq replay_commit; do
	wrong d2 set $field 0 'field'
	wrong d2 set $field 0x8000000000000000 'field'
done
right d2 chain_seq 0x7fffffffffffffff
wrong d2 set incarnation 0 'field'

# flags that mean nothing, and one that means nothing up there
right d1 flags ^0xfffffff0
right d2 flags ^0x80000001

# a sealed one without its seal's generation
wrong d1 set content_generation 0 'field|content'
# d1 after another seal: not the content that d2 was put on
restore d2
spoil d1 set content_generation ^1
refused 'content|generation' - "$both"
restore d1

# compat_ro: not to be written, readable all the same
spoil d2 set compat_ro 2
refused 'feature|read-only' "$d2" "$both"
mkdm view -r <<< "$both"
holds /dev/mapper/view model
rmdm view
restore d2

# nor does it get a second child, for which it would be marked
mkdisk d3 32M
spoil d1 set compat_ro 2
before=$(writes "$d1")
refused 'shared' "$d1" "$(line "$base" "$d1" "$d3")"
[[ $(writes "$d1") == "$before" ]] || fail "d1 with compat_ro 2 was written to"
restore d1

# an unsealed delta below another one
spoil d1 set state 2
refused 'seal' - "$both"
restore d1
# a retired one at the top takes no writes
spoil d2 set state 4
refused 'retired|state' "$d2" "$both"
restore d2
# d1 is another one than d2 was put on
spoil d1 set uuid 00112233445566778899aabbccddeeff
refused 'parent' "$d2" "$both"
restore d1
refused 'sealed' "$d1" "$below"

[[ $(sums "$d1" "$d2") == "$good" ]] || fail "not restored"
# too few leaves: not noticed, but no number comes of it that is refused
poke "$d2" set sb nr_leaves 0
mkdm chain <<< "$both"
holds /dev/mapper/chain model
rio --model "$SCRATCH/model" /dev/mapper/chain "d 0 2016k" f	# its only leaf
rmdm chain
mkdm chain <<< "$both"
holds /dev/mapper/chain model
