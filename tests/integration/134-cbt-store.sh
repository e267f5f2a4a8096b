# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 400
#
# The store's own troubles: it is full and joins old epochs, it grows, it fails; whatever
# it is, the disk goes on.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/cbt.sh"

dev=/dev/mapper/chain

# ---- more epochs than the store has room for ------------------------------------
# Blocks of 4 KiB, so that a bitmap is more than a page; every epoch fills one.
fresh base 1G
mkstore store 3M
mkchain chain "$base" -- cbt "$store"
first=$(id chain)
ids=("$first")
point_of() {
	echo $(($1 * 37 % 16000))
}
for ((i = 0; i < 140; i++)); do
	ops=()
	# one block of each page of the bitmap, so that an epoch takes as many as it may
	rio $dev "w $(($(point_of $i) * 64))k 512 $i" "w $((64 * ((i * 61 + 7) % 16000)))k 512 $i" f
	ids+=("$(message chain cbt_mark)")
done
cbt_is chain ok || fail "many epochs: $(status chain)"
fields=$(status chain $ST_CBT_STORE)
((${fields%/*} <= ${fields#*/})) || fail "more used than there is: $fields"
# each id is answered, with at least what was written since, or is stale
stale=0
for ((k = 0; k < ${#ids[@]}; k += 7)); do
	if ! text=$(answer chain cbt_query "${ids[k]}" now 0 2097152 2>&1); then
		[[ $text == *"$E_STALE"* ]] || fail "id $k: $text"
		stale=$((stale + 1))
		continue
	fi
	changed chain "${ids[k]}" now
	for ((i = k; i < 140; i++)); do
		[[ " $CHANGED " == *" $(point_of $i) "* ]] || fail "since id $k: lacks $(point_of $i)"
	done
done
note "$stale of 21 ids stale, store $fields"
# a store that has grown is used as it is
grow_disk store 16M
grown() { # after so many bits one by one, half of the journal, there is a fold
	local ops=() b
	message chain cbt_mark > /dev/null
	for ((b = 0; b < 140; b++)); do
		ops+=("w ${b}M 512 2")
	done
	rio $dev "${ops[@]}" f
	fields=$(status chain $ST_CBT_STORE)
	((${fields#*/} == 4096))
}
wait_for 30 grown
rmdm chain

# ---- a store that fails while the chain is written to ------------------------------
fresh base 64M
fresh d1 96M
mkstore store
good="0 32768 linear $store 0"
mkdm lower <<< "$good"
swap() {
	dmsetup suspend --noflush --nolockfs lower
	dmsetup load lower --table "$1"
	dmsetup resume lower
}
# new <delta>...: from the beginning, with so many deltas
new() {
	rmdm chain
	swap "$good"
	rio "$store" "n 0 4M"
	rio "$d1" "n 0 32M"
	rm -f "$SCRATCH/model"
	mkchain chain "$base" "$@" -- cbt /dev/mapper/lower
	start=$(id chain)
	rio --model "$SCRATCH/model" $dev "w 0 1M 2" "w 4M 512 3" f
}
# fails <what>: a write that needs the store; the disk goes on, there is an event
fails() {
	local before
	before=$(events chain)
	timeout 60 /usr/bin/python3 -S -E "$rio_py" --model "$SCRATCH/model" $dev "w 8M 64k 4" "w 20M 4k 5" f ||
		fail "$1: the disk does not go on"
	wait_for 20 cbt_is chain broken
	(($(events chain) > before)) || fail "$1: no event"
	refuses "$E_UCLEAN" chain cbt_query "$start" now 0 8
	refuses "$E_UCLEAN" chain cbt_mark
	rio --model "$SCRATCH/model" $dev "w 9M 64k 6" "w 0 4k 7" f v || fail "$1: content"
}
# stays_broken: also for a store that is as it was before
stays_broken() {
	swap "$good"
	rmdm chain
	mkchain chain "$base" "$@" -- cbt /dev/mapper/lower
	cbt_is chain broken || fail "believed again: $(status chain)"
	rio --model "$SCRATCH/model" $dev v
}

# all of it is gone: only the delta can say so
new "$d1"
message chain cbt_mark > /dev/null	# bits are written from now on
cp --sparse=always "$SCRATCH/store.img" "$SCRATCH/store.old"
swap "0 32768 error"
fails "an active delta"
stays_broken "$d1"
# nor is a copy of the store from before
rmdm chain
dd if="$SCRATCH/store.old" of="$store" bs=1M status=none oflag=direct
mkchain chain "$base" "$d1" -- cbt /dev/mapper/lower
cbt_is chain broken || fail "an old copy of the store: $(status chain)"

# only the journal: the superblock says it
new "$d1"
message chain cbt_mark > /dev/null
swap "0 128 linear $store 0
128 2048 error
2176 30592 linear $store 2176"
fails "the journal"
stays_broken "$d1"
new
swap "0 128 linear $store 0
128 2048 error
2176 30592 linear $store 2176"
fails "passthrough, the journal"
stays_broken
# without deltas and without a store there is no place to note it; the disk goes on all the same
new
swap "0 32768 error"
fails "passthrough"

# a snapshot with a store that cannot be written
new "$d1"
swap "0 32768 error"
fresh d2 96M
reload lsr chain "$base" "$d1" "$d2" -- cbt /dev/mapper/lower ||
	fail "no snapshot without a store"
rio --model "$SCRATCH/model" $dev "w 30M 4k 8" f v
wait_for 20 cbt_is chain broken
stays_broken "$d1" "$d2"

# an activation with a store that cannot be read
new "$d1"
rmdm chain
swap "0 32768 error"
mkchain chain "$base" "$d1" -- cbt /dev/mapper/lower || fail "no activation without a store"
cbt_is chain broken || fail "unreadable: $(status chain)"
rio --model "$SCRATCH/model" $dev "w 30M 4k 8" f v
stays_broken "$d1"

# ---- a store that hangs for a while: a suspend with writes waiting for it ---------------
new "$d1"
message chain cbt_mark > /dev/null
dmsetup suspend --noflush --nolockfs lower
rio_exec $dev "w 40M 4k 9" f &
writer=$!
sleep 1
dmsetup suspend --noflush chain &
suspend=$!
sleep 1
dmsetup resume lower
wait $suspend || fail "no suspend"
dmsetup resume chain
wait $writer || fail "a write was lost in it"
cbt_is chain ok || fail "$(status chain)"
changed chain "$start" now
[[ " $CHANGED " == *" 640 "* ]] || fail "missed: $CHANGED"
