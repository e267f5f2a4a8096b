# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12
#
# A delta that is slow to read: nobody waits for it who need not.

. "$TOP/tests/lib/redo.sh"
require_target delay

mkdisk base 64M
mkdisk d1 96M
mkdisk d2 96M
rio "$base" "w 0 64M 1"
mkdm slow <<< "0 196608 linear $d1 0"
dev=/dev/mapper/chain

# reads_take <milliseconds>: of the oldest delta, from now on
reads_take() {
	dmsetup suspend --noflush --nolockfs slow
	dmsetup load slow --table "0 196608 delay $d1 0 $1 $d1 0 0"
	dmsetup resume slow
}

# within <seconds> <command>...
within() {
	local started=$EPOCHREALTIME took limit=$1
	shift
	"$@" || fail "$*"
	took=$(awk "BEGIN { print $EPOCHREALTIME - $started }")
	awk "BEGIN { exit !($took < $limit) }" || fail "$* took $took s, expected less than $limit"
}

# A message is cut when it takes long, for while dm runs it no suspend gets through.
mkchain chain "$base" /dev/mapper/slow
rio $dev "w 0 64M 2"
rmdm chain
mkchain chain "$base" /dev/mapper/slow
reads_take 200		# 33 leaves: together 6 s
dmsetup message chain 0 allocated 0 131072 > "$SCRATCH/answer" & message=$!
sleep 0.2
within 3 dmsetup suspend chain
dmsetup resume chain
wait $message || fail "the message has failed"
[[ $(< "$SCRATCH/answer") =~ ^0\+[0-9]+\ next=([0-9]+)$ ]] || fail "not cut: $(< "$SCRATCH/answer")"
at=${BASH_REMATCH[1]} pages=1
while [[ -n $at ]]; do
	answer=$(dmsetup message chain 0 allocated "$at" $((131072 - at)))
	[[ $answer =~ ^$at\+[0-9]+\ (next=([0-9]+)|end)$ ]] || fail "page from $at: $answer"
	at=${BASH_REMATCH[2]}
	pages=$((pages + 1))
done
((pages > 2)) || fail "all in $pages pages"

# A bio that waits for a read holds up one worker and not those that come later.
reads_take 0
reload lsr chain "$base" /dev/mapper/slow "$d2"
wait_for 20 is_clean "$d1"
rmdm chain
mkchain chain "$base" /dev/mapper/slow "$d2"
rio $dev "q 0 4k 2"
reads_take 6000
(rio_exec $dev "q 32M 4k 2") & reader=$!
sleep 0.5
discards=()
for ((i = 0; i < 24; i++)); do
	discards+=("d $((i * 64))k 64k")
done
within 5 rio $dev "${discards[@]}"
kill -0 $reader 2> /dev/null || fail "the slow read was not slow"
reads_take 0
wait $reader || fail "the slow read has failed"
