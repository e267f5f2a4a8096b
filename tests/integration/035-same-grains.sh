# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12 kcsan
#
# Two writers of alternating sectors and a reader, all on the same grains, while
# snapshots put these grains below again and again.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
for i in 1 2 3 4; do
	mkdisk d$i 32M
done
mkchain chain "$base" "$d1"
dev=/dev/mapper/chain

writer() {
	local phase=$1 list=() i
	for ((i = 1; i <= 6; i++)); do
		list+=("alt 32k 128k $i $phase" "alt 2088448 32k $i $phase")
	done
	rio $dev "${list[@]}"
}
writer 0 & w0=$!
writer 1 & w1=$!
rio_exec $dev "watch 32k 128k 60" & reader=$!
defer kill $reader
chain=("$base" "$d1")
for d in "$d2" "$d3" "$d4"; do
	sleep 0.5
	chain+=("$d")
	reload lsr chain "${chain[@]}"
done
wait $w0 || fail "first writer"
wait $w1 || fail "second writer"
kill -0 $reader 2> /dev/null || fail "the reader saw something wrong"
kill $reader
rio $dev "q 32k 128k 6" "q 2088448 32k 6" "0 0 32k" "0 160k 64k"
rmdm chain
mkchain chain "${chain[@]}"
rio $dev "q 32k 128k 6" "q 2088448 32k 6" "0 0 32k" "0 160k 64k"
