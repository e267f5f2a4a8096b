# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 400
#
# Tracking and the chain: snapshots, reverts, clones, deactivation, growth; store and
# deltas that do not belong together; lines that leave the store out.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/cbt.sh"

dev=/dev/mapper/chain
for d in base d1 d2 d3 d4 d5; do
	mkdisk $d "$([[ $d == base ]] && echo 64M || echo 96M)"
done
mkstore store
mkstore other
rio "$base" "w 0 2M 1"

# on(<delta>...): the chain with its store
on() {
	reload lsr chain "$base" "$@" -- cbt "$store"
}

# ---- snapshots: each begins an epoch, and the view says which ---------------
mkchain chain "$base" -- cbt "$store"
one=$(id chain)
rio $dev "w 0 64k 2" f			# block 0
on "$d1"
two=$(id chain)
[[ $two == "$(id_of "$one" 2)" ]] || fail "a snapshot of the base: $two"
rio $dev "w 1M 64k 3" f			# 16
on "$d1" "$d2"
three=$(id chain)
rio $dev "w 2M 64k 4" "w 0 512 4" f	# 32, 0
expect_changed chain "$one" "$two" 0
expect_changed chain "$two" "$three" 16
expect_changed chain "$three" now 0 32
expect_changed chain "$one" now 0 16 32
mkview view "$base" "$d1"
[[ $(status view) =~ \ point\ $three\ 0/0$ ]] || fail "view: $(status view)"
rmdm view
mkview view "$base"
[[ $(status view) =~ \ point\ -\ 0/0$ ]] || fail "view of the base: $(status view)"
rmdm view

# ---- deactivated and activated: the same ids, exact ------------------------
rmdm chain
mkchain chain "$base" "$d1" "$d2" -- cbt "$store"
[[ $(id chain) == "$three" ]] || fail "an activation began an epoch: $(id chain)"
cbt_is chain ok || fail "clean end, and yet: $(status chain)"
expect_changed chain "$three" now 0 32
rio $dev "w 3M 4k 5" f			# 48
expect_changed chain "$three" now 0 32 48
# two snapshots with nothing between them, at once
on "$d1" "$d2" "$d3"
four=$(id chain)
rio $dev "w 4M 4k 6" f			# 64
expect_changed chain "$three" "$four" 0 32 48
expect_changed chain "$four" now 64

# ---- revert to the newest point, then to an older one ----------------------
on "$d1" "$d2" "$d4"
five=$(id chain)
[[ $five == "$(id_of "$one" 5)" ]] || fail "revert: $five"
expect_changed chain "$five" now
expect_changed chain "$four" now 64
expect_changed chain "$three" now 0 32 48 64
rio $dev "w 5M 4k 7" f			# 80
expect_changed chain "$four" now 64 80
[[ $(message chain cbt_list) =~ \ 5,[0-9]+,revert,5,-\ end$ ]] || fail "$(message chain cbt_list)"
rmdm chain
mkchain chain "$base" "$d1" "$d2" "$d4" -- cbt "$store"
expect_changed chain "$four" now 64 80
# from d4's state to d1's point: what d2 held counts, too
rio "$d3" "n 0 64k"			# wiped: it becomes a new one
on "$d1" "$d3"
six=$(id chain)
expect_changed chain "$six" now
expect_changed chain "$five" now 0 32 48 64 80
expect_changed chain "$four" now 0 32 48 64 80
# to what the base was
rio $dev "w 6M 4k 8" f			# 96
rio "$d5" "n 0 64k"
on "$d5"
seven=$(id chain)
expect_changed chain "$seven" now
expect_changed chain "$six" now 0 16 32 48 64 80 96
expect_changed chain "$two" "$three" 16

# a revert while it is not active is the same
rmdm chain
rio "$d4" "n 0 64k"
mkchain chain "$base" "$d1" "$d4" -- cbt "$store"
eight=$(id chain)
[[ $(number "$eight") == 8 ]] || fail "revert at the activation: $eight"
changed chain "$seven" now
for b in 16 32 96; do
	[[ " $CHANGED " == *" $b "* ]] || fail "reverted: \"$CHANGED\" lacks $b"
done

# ---- a clone has a store of its own; a store is one chain's ------------------
mkdisk e1 96M
mkchain clone "$base" "$d1" "$e1" -- cbt "$other"
clone=$(id clone)
[[ ${clone%/*} != "${one%/*}" && $(number "$clone") == 1 ]] || fail "clone: $clone"
rio /dev/mapper/clone "w 7M 4k 9" f
expect_changed clone "$clone" now 112
expect_changed chain "$eight" now
mkdisk e2 96M
refused "one chain's only" "$store" "$(line "$base" "$d1" "$e2" -- cbt "$store")"
refused "one chain's only" "$store" "$(line "$store")"
refused "neither a delta nor blank" "$store" "$(line "$base" "$store")"
rmdm clone

# ---- lines that are refused -------------------------------------------------
mkdisk blank 96M
refused "listed as base or delta" "$e2" "$(line "$base" "$d1" "$e2" -- cbt "$e2")"
refused "listed as base or delta" "$base" "$(line "$base" -- cbt "$base")"
refused "read-only table line" "$other" "$(line "$base" "$d1" -- cbt "$other")" -r
mkdisk small 1M
refused "" "$small" "$(line "$base" -- cbt "$small")"
mkstore foreign
rio "$foreign" "w 0 64k 5"
refused "neither a tracking store nor blank" "$foreign" "$(line "$base" -- cbt "$foreign")"
# what is tracked is not left out by accident, live or not
! dmsetup load chain --table "$(line "$base" "$d1" "$d4")" 2> /dev/null || fail "left out, live"
! dmsetup load chain --table "$(line "$base" "$d1" "$d4" "$blank")" 2> /dev/null ||
	fail "left out at a snapshot"
dmsetup clear chain
rmdm chain
uuid=${one%/*}
refused "$uuid.*no_cbt" - "$(line "$base" "$d1" "$d4")"

# ---- no_cbt ends it; the old store does not come back -------------------------
mkchain chain "$base" "$d1" "$d4" -- no_cbt
cbt_is chain off || fail "$(status chain)"
rio $dev "w 8M 4k 10" f
rmdm chain
mkchain chain "$base" "$d1" "$d4"	# nothing to be left out any more
rmdm chain
mkchain chain "$base" "$d1" "$d4" -- cbt "$store"
cbt_is chain broken || fail "written without the store: $(status chain)"
refuses "$E_UCLEAN" chain cbt_query "$one" now 0 8
refuses "$E_UCLEAN" chain cbt_mark
refuses "$E_UCLEAN" chain cbt_list
rio $dev "w 9M 4k 11" f "q 8M 4k 10"
rmdm chain
mkchain chain "$base" "$d1" "$d4" -- cbt "$store"
cbt_is chain broken || fail "no more: $(status chain)"
# live, from on to off
mkstore new_store
reload lsr chain "$base" "$d1" "$d4" -- cbt "$new_store"
cbt_is chain ok || fail "another store: $(status chain)"
start=$(id chain)
[[ $(number "$start") == 1 ]] || fail "$start"
rio $dev "w 10M 4k 12" f
expect_changed chain "$start" now 160
reload lsr chain "$base" "$d1" "$d4" -- no_cbt
cbt_is chain off || fail "$(status chain)"
reload lsr chain "$base" "$d1" "$d4" -- cbt "$new_store"
cbt_is chain broken || fail "on, off and on again: $(status chain)"
rmdm chain

# ---- rolled back: a store, a delta --------------------------------------------
for old in store delta; do
	fresh a 64M
	fresh a1 96M
	mkstore s
	mkchain chain "$a" "$a1" -- cbt "$s"
	message chain cbt_mark > /dev/null
	rio $dev "w 0 64k 1" f
	rmdm chain
	sync
	cp --sparse=always "$SCRATCH/a1.img" "$SCRATCH/a1.old"
	cp --sparse=always "$SCRATCH/s.img" "$SCRATCH/s.old"
	mkchain chain "$a" "$a1" -- cbt "$s"
	was=$(id chain)
	rio $dev "w 1M 64k 2" f
	rmdm chain
	if [[ $old == store ]]; then
		dd if="$SCRATCH/s.old" of="$s" bs=1M status=none oflag=direct
	else
		dd if="$SCRATCH/a1.old" of="$a1" bs=1M status=none oflag=direct
	fi
	log_mark rolled
	mkchain chain "$a" "$a1" -- cbt "$s"
	cbt_is chain broken || fail "a $old rolled back: $(status chain)"
	log_read
	[[ $LOG =~ older ]] || fail "a $old rolled back: $LOG"
	refuses "$E_UCLEAN" chain cbt_query "$was" now 0 8
	rio $dev "w 2M 64k 3" f "q 2M 64k 3"
	rmdm chain
done

# ---- a damaged store: the disk goes on -----------------------------------------
mkstore s
fresh a1 96M
mkchain chain "$base" "$d1" "$a1" -- cbt "$s"
first=$(id chain)
rio $dev "w 0 64k 1" f
rmdm chain
rio "$s" "w 4k 8k 77"		# both superblocks
mkchain chain "$base" "$d1" "$a1" -- cbt "$s" || fail "the store is damaged, and the disk with it"
cbt_is chain broken || fail "damaged: $(status chain)"
refuses "$E_UCLEAN" chain cbt_query "$first" now 0 8
rio $dev "w 1M 64k 2" f "q 0 64k 1" "q 1M 64k 2"
rmdm chain
# and a new store is a new beginning
rio "$s" "n 0 1M"
mkchain chain "$base" "$d1" "$a1" -- cbt "$s"
cbt_is chain ok || fail "a new store: $(status chain)"
[[ $(number "$(id chain)") == 1 && $(id chain) != "$first" ]] || fail "new ids: $(id chain)"
rmdm chain

# ---- growth and shrinking of what has no deltas ---------------------------------
mkdisk g 64M
mkstore s
mkchain chain "$g" -- cbt "$s"
first=$(id chain)
rio $dev "w 0 4k 1" f
grow_disk g 80M
reload lsr chain "$g" -- cbt "$s"
mapfile -t new < <(seq 1024 1279)
expect_changed chain "$first" now 0 "${new[@]}"
second=$(message chain cbt_mark)
rio $dev "w 70M 4k 2" f
expect_changed chain "$second" now 1120
dmsetup load chain --table "0 131072 redo $g 0 2 cbt $s"
dmsetup suspend chain
dmsetup resume chain
expect_changed chain "$second" now
reload lsr chain "$g" -- cbt "$s"
expect_changed chain "$second" now "${new[@]}"
