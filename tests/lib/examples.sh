# SPDX-License-Identifier: GPL-2.0-or-later
#
# The documents' examples for test cases.  Sourced by a case, after redo.sh.
# Logical volumes are loop devices here, under the names that lvm2 would give.

mkdir -p /dev/vg
defer rm -rf /dev/vg

# Where it is set, no volume is made larger, so that an example can fill one.
logical_volume_max=''

lvcreate() { # -L <size> -n <name> vg
	local disk
	truncate -s "${logical_volume_max:-$2}" "$SCRATCH/$4.img"
	disk=$(losetup --show -f "$SCRATCH/$4.img")
	ln -sf "$disk" "/dev/vg/$4"
}

lvextend() { # -L +<size> vg/<name>
	truncate -s "$2" "$SCRATCH/${3#vg/}.img"
	losetup -c "$(readlink "/dev/$3")"
}

lvremove() { # -y vg/<name>
	losetup -d "$(readlink "/dev/$2")"
	rm "/dev/$2"
}

# example <file> <heading>: the indented lines between that heading and the next one
example() {
	awk -v heading="$2" '
		$0 == heading { on = 1; next }
		on && /^(#|===)/ && seen { exit }
		on && /^ +/ { sub(/^ +/, ""); print; seen = 1 }' "$TOP/$1"
}

# run <file with commands>: one after the other, here, so that -e holds
run() {
	local text
	text=$(< "$1")
	[[ -n $text ]] || fail "no example in $1"
	eval "$text"
}
