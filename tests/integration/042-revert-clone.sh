# SPDX-License-Identifier: GPL-2.0-or-later
#
# Revert and linked clones with dmsetup alone: a new delta on a sealed one that
# has a child already; two writable chains over the same sealed deltas; views of
# every point beside them.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
for d in d1 d2 d3 r1 c1 c2; do
	mkdisk $d 32M
done
rio "$base" "w 0 16M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 1 256k" f
keep p2 model			# what is below d2
reload lsr chain "$base" "$d1" "$d2"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 2 256k" f
keep p3 model
reload slr chain "$base" "$d1" "$d2" "$d3"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 3 256k" f
keep now model

# views beside the live chain, which goes on
mkview v2 "$base" "$d1"
mkview v3 "$base" "$d1" "$d2"
mkview v3again "$base" "$d1" "$d2"
holds /dev/mapper/v2 p2
holds /dev/mapper/v3 p3
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 4 256k" f
keep now model
holds /dev/mapper/v2 p2
holds /dev/mapper/v3again p3
holds /dev/mapper/chain now

# a clone of p3, while the chain is active
mkchain clone "$base" "$d1" "$d2" "$c1"
holds /dev/mapper/clone p3
cp --sparse=always "$SCRATCH/p3" "$SCRATCH/mc"
rio --model "$SCRATCH/mc" /dev/mapper/clone "x 60 5 256k" f
rio --model "$SCRATCH/model" /dev/mapper/chain "x 60 6 256k" f
holds /dev/mapper/clone mc
holds /dev/mapper/chain model
holds /dev/mapper/v3 p3
[[ $(($(poke "$d2" get sb flags) & 2)) -eq 2 ]] || fail "no dependants mark on d2"
[[ $(($(poke "$d1" get sb flags) & 2)) -eq 0 ]] || fail "a dependants mark on d1"
# the clone has a snapshot of its own
keep mc1 mc
reload lsr clone "$base" "$d1" "$d2" "$c1" "$c2"
rio --model "$SCRATCH/mc" /dev/mapper/clone "x 30 7 256k" f

# revert the chain to p2: its present state goes, d2 and the clone stay
reload slr chain "$base" "$d1" "$r1"
holds /dev/mapper/chain p2
cp --sparse=always "$SCRATCH/p2" "$SCRATCH/mr"
rio --model "$SCRATCH/mr" /dev/mapper/chain "x 60 8 256k" f v
holds /dev/mapper/clone mc
holds /dev/mapper/v3 p3
holds /dev/mapper/v2 p2

# d3 is nobody's now and holds what it held
mkview old "$base" "$d1" "$d2" "$d3"
holds /dev/mapper/old model
for name in old v2 v3 v3again chain clone; do
	rmdm $name
done

# all of it found again
mkchain chain "$base" "$d1" "$r1"
holds /dev/mapper/chain mr
mkchain clone "$base" "$d1" "$d2" "$c1" "$c2"
holds /dev/mapper/clone mc
mkview v "$base" "$d1" "$d2" "$c1"
holds /dev/mapper/v mc1
rmdm v
mkview v "$base" "$d1" "$d2"
holds /dev/mapper/v p3

# the tops cannot be exchanged, and nobody else gets a delta that is being written
rmdm chain
refused '.' - "$(line "$base" "$d1" "$d2" "$c1" "$r1")"
refused '.' - "$(line "$base" "$d1" "$d2" "$c1" "$c2")"
refused 'seal' "$c1" "$(line "$base" "$d1" "$d2" "$c1")"
