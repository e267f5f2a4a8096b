# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 500
#
# What a crash leaves of tracking: at a moment under load all disks are stopped, copied,
# and the chain is brought up from the copies. Nothing that differs is missing from the
# answer, whatever was going on. (110 to 113 cut with caches that lose what was not flushed.)

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"
. "$TOP/tests/lib/cbt.sh"

dev=/dev/mapper/chain
disks=(base store d1 d2 d3)

# All disks below the chain are linear devices that can be stopped in the middle of anything.
set_up() {
	local d
	for d in "${disks[@]}"; do
		rmdm "l$d"
		fresh "$d" "$([[ $d == base || $d == store ]] && echo 32M || echo 64M)"
		mkdm "l$d" <<< "0 $(sectors "${!d}") linear ${!d} 0"
	done
	rio "$base" "w 0 32M 1"
	lbase=/dev/mapper/lbase lstore=/dev/mapper/lstore
	l1=/dev/mapper/ld1 l2=/dev/mapper/ld2 l3=/dev/mapper/ld3
}

# crash: the disks as they are now, each by itself a moment of the same past: what is stopped
# first has nothing in it that had to wait for one that is stopped later
crash() {
	local d
	for d in "${disks[@]}"; do
		dmsetup suspend --noflush --nolockfs "l$d"
	done
	for d in "${disks[@]}"; do
		cp --sparse=always "$SCRATCH/$d.img" "$SCRATCH/c$d.img"
	done
	for d in "${disks[@]}"; do
		dmsetup resume "l$d"
	done
	for d in "${disks[@]}"; do
		[[ -z ${copies-} ]] || losetup -d "$(copy "$d")" 2> /dev/null || true
		printf -v "c_$d" %s "$(losetup --show -f "$SCRATCH/c$d.img")"
	done
}
copy() {
	local name=c_$1
	echo "${!name}"
}
# afterwards <delta>...: the chain from the copies, as "after"
afterwards() {
	local d line=()
	for d; do
		line+=("$(copy "$d")")
	done
	mkchain after "$(copy base)" "${line[@]}" -- cbt "$(copy store)"
	[[ $(status after $ST_CBT) =~ ^(ok|rebuilding)$ ]] || fail "after the crash: $(status after)"
}
# over: the crash is over; its devices go
over() {
	local d
	rmdm after
	for d in "${disks[@]}"; do
		losetup -d "$(copy "$d")"
	done
}
# checks <id>=<copy>...: all of them up to the state after the crash
checks() {
	local pair
	point after.now after
	for pair; do
		covers after "${pair%=*}" now "${pair#*=}" after.now
	done
}
load() {
	rio_exec $dev "x 100000 $RANDOM 64k" > /dev/null 2>&1 &
	writer=$!
}
no_load() {
	kill $writer 2> /dev/null || true
	wait $writer || true
}

# ---- implied: a delta that was born in this epoch, and writes no tracking I/O --------
set_up
mkchain chain $lbase -- cbt $lstore
zero=$(id chain)
point p0 chain
rio $dev "w 1M 64k 2" "w 3M 4k 3" f
reload lsr chain $lbase $l1 -- cbt $lstore
one=$(id chain)
point p1 chain
sleep 1		# what the snapshot has left to be done is done
before=$(writes "$store")
rio $dev "w 2M 64k 3" "w 4M 4k 4" "w 6M 512 5" "d 8M 64k" f
[[ $(writes "$store") == "$before" ]] || fail "writes into a new delta cost tracking I/O"
expect_changed chain "$one" now 32 64 96 128
crash
afterwards d1
wait_for 60 cbt_is after ok
expect_changed after "$one" now 32 64 96 128
expect_changed after "$zero" "$one" 16 48
checks "$zero=p0" "$one=p1"
# clean then, and exact after another start
rmdm after
afterwards d1
cbt_is after ok || fail "a clean end after a crash: $(status after)"
expect_changed after "$one" now 32 64 96 128
over

# ---- explicit: the same delta after a mark; bits are durable before the data --------
two=$(message chain cbt_mark)
point p2 chain
rio $dev "w 10M 64k 6" "w 2M 4k 7"	# not flushed: the data are there, and so are the bits
crash
afterwards d1
checks "$zero=p0" "$one=p1" "$two=p2"
expect_changed after "$two" now 32 160
over

# ---- under load: first writes, overwrites, discards, marks ----------------------------
for ((i = 0; i < 4; i++)); do
	load
	sleep 0.$((RANDOM % 9))
	((i % 2 == 0)) || message chain cbt_mark > /dev/null
	crash
	no_load
	afterwards d1
	checks "$zero=p0" "$one=p1" "$two=p2"
	over
done

# ---- around a snapshot under load, of what is itself implied ----------------------------
for ((i = 0; i < 3; i++)); do
	load
	sleep 0.3
	if ((i == 0)); then
		reload lsr chain $lbase $l1 $l2 -- cbt $lstore
		line=(d1 d2)
	elif ((i == 1)); then
		reload lsr chain $lbase $l1 $l2 $l3 -- cbt $lstore
		line=(d1 d2 d3)
	fi
	crash		# the epoch that has ended may not be settled yet
	no_load
	afterwards "${line[@]}"
	checks "$zero=p0" "$one=p1" "$two=p2"
	over
done
# a revert of what a crash has left half known: all of it counts
load
sleep 0.5
crash
no_load
fresh cr 64M
mkchain after "$(copy base)" "$(copy d1)" "$cr" -- cbt "$(copy store)"
cbt_is after broken && fail "a revert after a crash: $(status after)"
checks "$zero=p0" "$one=p1" "$two=p2"
over

# ---- merges ------------------------------------------------------------------------------
message chain merge_throttle 1MiB > /dev/null
rio $dev "w 12M 4M 11" f
load
message chain merge "$(uuid_of "$d3")" unshared > /dev/null	# the active one
sleep 0.5
crash
no_load
afterwards d1 d2 d3
checks "$zero=p0" "$one=p1" "$two=p2"
[[ $(status after $ST_MERGE) =~ ^(running|done)$ ]] || fail "no merge was cut: $(status after)"
merge_ends after
checks "$zero=p0" "$one=p1" "$two=p2"
over
message chain merge_throttle 100 > /dev/null
merge_ends chain
rmdm chain

# ---- passthrough: always explicit ------------------------------------------------------------
set_up
mkchain chain $lbase -- cbt $lstore
one=$(id chain)
point p1 chain
for ((i = 0; i < 3; i++)); do
	load
	sleep 0.4
	crash
	no_load
	afterwards
	checks "$one=p1"
	over
done

# ---- a hand-over that was cut off: either line goes on ---------------------------------------
# The store has begun the epoch, and the parent cannot be sealed.
reload lsr chain $lbase $l1 -- cbt $lstore
one=$(id chain)
point p1 chain
rio $dev "w 5M 64k 8" f
for again in old new; do
	fresh d2 64M
	rmdm ld2
	mkdm ld2 <<< "0 $(sectors "$d2") linear $d2 0"
	last=$(number "$(id chain)")
	dmsetup load chain --table "$(line $lbase $l1 $l2 -- cbt $lstore)"
	dmsetup suspend chain
	dmsetup suspend ld1
	dmsetup load ld1 --table "0 8 linear $d1 0
8 16 error
24 $(($(sectors "$d1") - 24)) linear $d1 24"
	dmsetup resume ld1
	! dmsetup resume chain 2> /dev/null || fail "sealed what cannot be written"
	dmsetup load ld1 --table "0 $(sectors "$d1") linear $d1 0"
	dmsetup suspend --noflush --nolockfs ld1
	dmsetup resume ld1
	rmdm chain
	if [[ $again == old ]]; then
		mkchain chain $lbase $l1 -- cbt $lstore
	else
		mkchain chain $lbase $l1 $l2 -- cbt $lstore
	fi
	wait_for 60 cbt_is chain ok
	(($(number "$(id chain)") > last)) || fail "no epoch had begun: $(id chain)"
	rio $dev "w $((6 + ${#again}))M 64k 9" f	# in explicit mode, or in the new delta
	point now chain
	covers chain "$one" now p1 now
	crash
	[[ $again == old ]] && afterwards d1 || afterwards d1 d2
	checks "$one=p1"
	changed after "$one" now
	((${#CHANGED} < 400)) || fail "all of it is said to have changed: $CHANGED"
	over
done
