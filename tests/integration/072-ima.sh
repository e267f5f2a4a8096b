# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: 6.1
#
# The status for IMA: measured when a table is loaded and resumed, as the document says,
# and short however many deltas there are.

. "$TOP/tests/lib/redo.sh"

mkdir -p /sys/kernel/security
mountpoint -q /sys/kernel/security || mount -t securityfs securityfs /sys/kernel/security
ima=/sys/kernel/security/ima
[[ -e $ima/policy ]] || skip "this kernel has no IMA, or its policy is set"
echo 'measure func=CRITICAL_DATA label=device-mapper' > $ima/policy ||
	skip "IMA takes no policy"

mkdisk base 16M
mkdisk d1 32M
mkdisk d2 32M

# measured: what has been of the target in this test, one table in a line
measured() {
	/usr/bin/python3 -S -E - $ima/ascii_runtime_measurements <<-'PY'
		import sys
		for line in open(sys.argv[1]):
		    words = line.split()
		    if words[4].startswith('dm_table_load'):
		        text = bytes.fromhex(words[5]).decode()
		        print(text.split('target_name=redo,')[1].split(';')[0])
	PY
}

# digest <delta>...: CRC32C over the UUIDs
digest() {
	local disk
	for disk; do
		poke "$disk" get sb uuid
	done | /usr/bin/python3 -S -E -c '
import sys
crc = 0xffffffff
for byte in bytes.fromhex(sys.stdin.read().replace("\n", "")):
    crc ^= byte
    for _ in range(8):
        crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
print("%08x" % (crc ^ 0xffffffff))'
}

# expect <what the last table has to be>
expect() {
	local got
	got=$(measured | tail -n 1)
	[[ $got =~ ^target_version=[0-9]+\.[0-9]+\.[0-9]+,$1$ ]] || fail "measured: $got, expected $1"
}

number=$(stat -c '%Hr:%Lr' "$base")
rest=ignore_discard=n,no_discard_passdown=n,force_base=n,cbt=-
mkchain chain "$base"
expect "base_device_name=$number,nr_deltas=0,chain_digest=00000000,error_if_no_space=n,no_space_timeout=60,low_water=2,$rest"
rmdm chain
mkchain chain "$base" "$d1"
expect "base_device_name=$number,nr_deltas=1,chain_digest=$(digest "$d1"),error_if_no_space=n,no_space_timeout=60,low_water=2,$rest"
reload lsr chain "$base" "$d1" "$d2" -- error_if_no_space no_space_timeout 7 low_water 9
expect "base_device_name=$number,nr_deltas=2,chain_digest=$(digest "$d1" "$d2"),error_if_no_space=y,no_space_timeout=7,low_water=9,$rest"
rmdm chain
mkchain chain "$base" "$d1" "$d2" -- ignore_discard no_discard_passdown
expect "base_device_name=$number,nr_deltas=2,chain_digest=$(digest "$d1" "$d2"),error_if_no_space=n,no_space_timeout=60,low_water=2,ignore_discard=y,no_discard_passdown=y,force_base=n,cbt=-"
