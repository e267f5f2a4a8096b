# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: 6.12
# timeout: 900
#
# 256 deltas are served, 257 refused. Each has its own grain, so that a slot
# taken for another shows.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk store 8256M
rio "$base" "w 0 16M 1"

# 258 places for deltas in one call
for ((i = 0; i < 258; i++)); do
	echo -n "d$i,,,rw,0 65536 linear $store $((i * 65536));"
done > "$SCRATCH/concise"
dmsetup create --concise "$(cat "$SCRATCH/concise")"
remove_places() {
	local i
	for ((i = 0; i < 258; i += 43)); do
		eval "dmsetup remove --retry d{$i..$((i + 42))}"
	done
}
defer remove_places

# Processes are dear in these guests: a resume suspends by itself.
/usr/bin/python3 -S -E -c "import sys
for i in range(256): sys.stdout.buffer.write(bytes([i % 251 + 1]) * 4096)" > "$SCRATCH/stamps"
deltas=()
for ((i = 0; i < 256; i++)); do
	deltas+=("/dev/mapper/d$i")
	if [[ $i -eq 0 ]]; then
		mkchain chain "$base" "${deltas[@]}"
	else
		dmsetup load chain --table "$(line "$base" "${deltas[@]}")"
		dmsetup resume chain
	fi
	dd if="$SCRATCH/stamps" skip=$i count=1 of=/dev/mapper/chain bs=4k seek=$((i * 3)) \
		oflag=direct status=none
done
status_is chain $ST_DELTAS 256 || fail "status: $(status chain)"

check() {
	local i
	/usr/bin/python3 -S -E - "$1" <<'PY'
import sys
data = open(sys.argv[1], 'rb').read(256 * 3 * 4096)
for i in range(256):
    if data[i * 12288:i * 12288 + 4096] != bytes([i % 251 + 1]) * 4096:
        sys.exit('the grain of delta %d is wrong' % i)
    if data[i * 12288 + 4096:i * 12288 + 4112] == bytes([i % 251 + 1]) * 16:
        sys.exit('delta %d wrote too much' % i)
PY
}
check /dev/mapper/chain
rmdm chain
mkchain chain "$base" "${deltas[@]}"
check /dev/mapper/chain

refused '257|256|deltas' - "$(line "$base" "${deltas[@]}" /dev/mapper/d256)"
if dmsetup load chain --table "$(line "$base" "${deltas[@]}" /dev/mapper/d256)"; then
	fail "257 deltas were loaded over 256"
fi
check /dev/mapper/chain
