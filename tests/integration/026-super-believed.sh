# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 480
#
# What the superblock says of the log, of the use of space and in flags, tried wrong
# after a power cut: refused where the log itself shows it, and else what
# Documentation/on-disk-format.rst says ("is believed").

. "$TOP/tests/lib/redo.sh"

mkdisk base 8M
mkdisk d1 32M
rio "$base" "w 0 8M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/covered" /dev/mapper/chain "w 0 2M 2" "d 3M 100k" f
rmdm chain
mkchain chain "$base" "$d1"		# an activation: the log is empty here
keep model covered
# three commits of one block each, to places of their own, and that is all the disk gets
rio --model "$SCRATCH/model" /dev/mapper/chain "w 4M 64k 3" f "w 5M 64k 3" f "d 6M 64k" f \
	"c $SCRATCH/d1.img $SCRATCH/active.img"
rmdm chain

# put [<field> <value>]...: d1 as it was then, but for that: its metadata and what can be
# overwritten in place; data that came since is harmless
put() {
	poke --restore "$SCRATCH/active.img" $((4096 + 640)) "$d1" nothing
	while [[ $# -gt 0 ]]; do
		poke "$d1" set sb "$1" "$2"
		shift 2
	done
}

# other_log <field> <value>: the log has commits that cannot be reached from there
other_log() {
	put "$@"
	refused 'the log goes on behind it' "$d1" "$(line "$base" "$d1")" -r
	[[ $1 == replay_commit ]] || refused 'the log goes on behind it' "$d1" "$(line "$base" "$d1")"
}

# taken <model> [<field> <value>]...: it is used, holds that, and goes on to work
taken() {
	local model=$1
	shift
	put "$@"
	log_mark "taken $*"
	mkview view "$base" "$d1"
	holds /dev/mapper/view "$model"
	rmdm view
	keep now "$model"
	mkchain chain "$base" "$d1"
	rio --model "$SCRATCH/now" /dev/mapper/chain "w 0 512k 4" "d 1M 200k" "w 5M 2M 4" f \
		"w 7M 512k 4" v
	rmdm chain
	mkchain chain "$base" "$d1"
	holds /dev/mapper/chain now
	rmdm chain
}

other_log replay_seq +1			# in the midst of it
other_log replay_seq -1
other_log replay_commit +1
other_log replay_commit -1
taken covered replay_seq +100		# behind its end
taken covered incarnation ^1		# nobody's log

# CLEAN, and there is something to replay; and what a version to come may mean by it is
# carried over
taken model flags ^0x80000004 create_time 0xffffffffffffffff
(($(poke "$d1" get sb flags) & 0x80000000)) || fail "an unknown flag was dropped"

for value in 0 0xffffffffffffffff; do
	taken model meta_used $value data_used $value
done
