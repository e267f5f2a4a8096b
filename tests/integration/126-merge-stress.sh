# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml kcsan
# timeout: 900
#
# Merges of all kinds, begun, paused, resumed and throttled at random, while tables are
# reloaded, snapshots taken and the device suspended, under writes that are verified,
# discards, and a budget that has leaves dropped all the time. In the end everything is
# merged, and the base must be what the chain was. REDO_SECONDS sets how long, REDO_SEED
# repeats the choices.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"
require fio

seconds=${REDO_SECONDS:-12}
seed=${REDO_SEED:-$((SRANDOM % 32768))}
RANDOM=$seed
note "seed $seed"
patience=60	# seconds for one step, before it is called a hang

budget=/sys/module/dm_redo/parameters/budget
was=$(cat $budget)
give_back() {
	echo "$was" > $budget
}
defer give_back
echo 0 > $budget

mkdisk base 24M
deltas=()
for i in 1 2 3 4 5; do
	mkdisk d$i 64M
	d=d$i
	deltas+=("${!d}")
done
declare -A of_number
for d in "${deltas[@]}"; do
	read -r n < "/sys/block/${d#/dev/}/dev"
	of_number[$n]=$d
done
rio "$base" "w 0 24M 1"
cp "$base" "$SCRATCH/model"
mkchain chain "$base" "$d1"
rio /dev/mapper/chain "w 1M 12M 2" "d 3M 2M" f
reload lsr chain "$base" "$d1" "$d2"
rio /dev/mapper/chain "w 0 8M 3" "z 5M 1M" f
reload lsr chain "$base" "$d1" "$d2" "$d3"
loaded=("$d1" "$d2" "$d3")

# A step that takes too long is a hang: say so, before the runner ends it all
watch() {
	local last='' now
	while :; do
		sleep $patience
		now=$(cat "$SCRATCH/beat")
		[[ $now != "$last" ]] || break
		last=$now
	done
	echo "seed $seed: nothing has moved for $patience s: $(timeout 5 dmsetup status --noflush chain)" >&2
	echo w > /proc/sysrq-trigger
	kill $$
}

# dm <verb>...: dmsetup
dm() {
	dmsetup "$@" > "$SCRATCH/dm" 2>&1
}

must() {
	dm "$@" || fail "seed $seed: dmsetup $*: $(cat "$SCRATCH/dm"); $(status chain)"
}

# The line that the target shows: its deltas in ${live[@]}
look() {
	local words i
	must table --noflush chain
	read -ra words < "$SCRATCH/dm"
	live=()
	for ((i = 0; i < words[4]; i++)); do
		live+=("${of_number[${words[5 + i]}]}")
	done
}

# A delta that is not in use, made blank; 1: there is none
spare() {
	local d
	for d in "${deltas[@]}"; do
		[[ " ${loaded[*]} " != *" $d "* ]] || continue
		dd if=/dev/zero of="$d" bs=64k count=1 conv=fsync,notrunc status=none
		new=$d
		return
	done
	return 1
}

suspend() {
	if ((RANDOM % 2)); then
		must suspend --noflush chain
	else
		must suspend chain
	fi
}

# switch [<delta>]: the line that is shown, or one more on top
switch() {
	local early=$((RANDOM % 2))
	((!early)) || suspend
	look
	must load chain --table "$(line "$base" "${live[@]}" "$@")"
	((early)) || suspend
	must resume chain
	loaded=("${live[@]}" "$@")
}

begin() {
	look
	if ((${#live[@]} == 0)); then
		switch_up
	elif ((RANDOM % 4 == 0)); then
		dm message chain 0 merge_all || :
	else
		dm message chain 0 merge "$(uuid_of "${live[RANDOM % ${#live[@]}]}")" unshared || :
	fi
}

switch_up() {
	if spare; then
		switch "$new"
	else
		switch
	fi
}

step() {
	case $((RANDOM % 15)) in
	[0-4])	begin ;;
	5)	dm message chain 0 merge_pause || : ;;
	6 | 7)	dm message chain 0 merge_resume || : ;;
	8)	dm message chain 0 merge_throttle $((10 + RANDOM % 90)) || : ;;
	9)	dm message chain 0 merge_throttle $((4 + RANDOM % 40))MiB || : ;;
	10)	suspend
		must resume chain ;;
	11 | 12) switch_up ;;
	13)	switch ;;
	14)	echo $((RANDOM % 3)) > $budget
		echo 2 > /proc/sys/vm/drop_caches ;;
	esac
}

# On its own: what is not verified, and looking
around() {
	while :; do
		dmsetup status --noflush chain
		dmsetup message chain 0 allocated 0 49152
		blkdiscard -o $((16 + RANDOM % 3))M -l $((4 << RANDOM % 9))k /dev/mapper/chain
		blkdiscard -z -o $((16 + RANDOM % 3))M -l $((RANDOM % 64 * 512 + 512)) /dev/mapper/chain
		dd if=/dev/urandom of=/dev/mapper/chain bs=512 count=$((1 + RANDOM % 200)) oflag=direct \
			seek=$((32768 + RANDOM % 6000)) conv=notrunc
	done > /dev/null 2>&1 || :
}
around & around=$!
defer kill $around
echo 0 > "$SCRATCH/beat"
watch & watch=$!
defer kill $watch
# shellcheck disable=SC2086 # an option for each
fio --filename=/dev/mapper/chain --direct=1 --ioengine=libaio --iodepth=6 --rw=randrw \
	--rwmixread=30 --bssplit=512/15:1k/10:4k/45:20k/20:200k/10 --size=8M --time_based \
	--runtime="$seconds" --verify=crc32c --verify_fatal=1 --verify_backlog=64 --fsync=16 \
	--thread --output="$SCRATCH/fio" --name=a --randseed="$seed" \
	--name=b --offset=8M --randseed=$((seed + 1)) &
fio=$!
steps=0
while kill -0 $fio 2> /dev/null; do
	step
	steps=$((steps + 1))
	echo $steps > "$SCRATCH/beat"
done
wait $fio || fail "seed $seed: fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
kill $around
wait $around 2> /dev/null || :
echo end > "$SCRATCH/beat"

# What nobody wrote to is what it was; and all goes down to where it belongs
tail_is() {
	cmp -i 20971520 "$1" "$SCRATCH/model" || fail "seed $seed: what was never written has changed on $1"
}
tail_is /dev/mapper/chain
cat /dev/mapper/chain > "$SCRATCH/all"
dm message chain 0 merge_throttle 100 || :
dm message chain 0 merge_resume || :
word=$(status chain $ST_MERGE)
[[ $word == none ]] || merge_ends chain $patience
look
if ((${#live[@]})); then
	must message chain 0 merge_all unshared
	merge_ends chain $patience
fi
status_is chain $ST_MODE passthrough || fail "seed $seed: $(status chain)"
cmp /dev/mapper/chain "$SCRATCH/all" || fail "seed $seed: the chain has changed"
rmdm chain
cmp "$base" "$SCRATCH/all" || fail "seed $seed: the base is not what the chain was"
note "$steps steps"
