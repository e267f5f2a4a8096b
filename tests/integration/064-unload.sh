# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 6.12
#
# The module loaded, used and unloaded again and again: nothing stays behind.

. "$TOP/tests/lib/redo.sh"

ko=$(sed -n 's/^REDO_MODULE=//p' "$REDO_RESULTS/environment")
[[ -f $ko ]] || skip 'the module was not loaded from a file'

# the cases that follow need it
back() {
	dmsetup remove --retry chain 2> /dev/null
	grep -q '^dm_redo ' /proc/modules || insmod "$ko"
}
defer back

# (A cache that was merged with another leaves its symbolic link in /sys/kernel/slab,
# until one of that name is made again.)
traces() {
	grep -hoE '^redo_[a-z_]+' /proc/slabinfo || true
	ps -eo comm | grep -E '^(redo|kworker/R-redo)' || true
	ls -d /sys/kernel/debug/*redo* 2> /dev/null || true
	find /sys/kernel/slab -maxdepth 1 -type d -name 'redo_*' 2> /dev/null
}

mkdisk base 8M
mkdisk d1 32M
for ((i = 0; i < 4; i++)); do
	rio "$d1" "n 0 64k"
	dmsetup create chain --table "$(line "$base" "$d1")"
	rio /dev/mapper/chain "w 0 64k $((i + 1))" "w 1M 512 7" f "q 0 64k $((i + 1))"
	expect_fail -- rmmod dm_redo
	dmsetup remove --retry chain
	rmmod dm_redo
	[[ -z $(traces) ]] || fail "left behind: $(traces)"
	insmod "$ko"
done
