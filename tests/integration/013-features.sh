# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# Feature arguments: every one right, in any order; wrong ones refused by name;
# the status table loads again as it is.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 16M
mkchain chain "$base" "$d1"
rmdm chain

good=(
	"error_if_no_space"
	"no_space_timeout 0"
	"no_space_timeout 1"
	"no_space_timeout 3600"
	"low_water 0"
	"low_water 1000"
	"ignore_discard"
	"no_discard_passdown"
	"force_base"
	"low_water 3 ignore_discard no_space_timeout 5 force_base"
	"no_discard_passdown no_space_timeout 7 low_water 1 error_if_no_space"
)
for f in "${good[@]}"; do
	# shellcheck disable=SC2086 # a list of words
	mkchain chain "$base" "$d1" -- $f
	table=$(dmsetup table chain)
	for word in $f; do
		grep -qwF -- "$word" <<< "$table" || fail "\"$f\" is not in the table: $table"
	done
	if [[ $f != *\ *\ * ]]; then
		rmdm chain
		continue
	fi
	# it loads again, beside and instead
	dmsetup load chain --table "$table"
	dmsetup suspend chain
	dmsetup resume chain
	[[ $(dmsetup table chain) == "$table" ]] || fail "table changed: $(dmsetup table chain)"
	rmdm chain
	mkdm chain <<< "$table"
	[[ $(dmsetup table chain) == "$table" ]] || fail "table changed: $(dmsetup table chain)"
	rmdm chain
done

# without features the table has none, or "0"
mkchain chain "$base" "$d1"
table=$(dmsetup table chain)
[[ $table =~ ^"0 32768 redo "[0-9]+:[0-9]+" 1 "[0-9]+:[0-9]+(" 0")?$ ]] || fail "table: $table"
rmdm chain

L=$(line "$base" "$d1")
wrong=(			# text that must be in the log, arguments
	"frobnicate|1 frobnicate"
	"frobnicate|2 ignore_discard frobnicate"
	"LOW_WATER|2 LOW_WATER 3"
	"low_water|1 low_water"
	"low_water|2 low_water x"
	"low_water|2 low_water -1"
	"low_water|2 low_water 99999999999999999999"
	"low_water|2 low_water 3x"
	"low_water|4 low_water 3 low_water 3"
	"no_space_timeout|1 no_space_timeout"
	"no_space_timeout|2 ignore_discard no_space_timeout"
	"no_space_timeout|2 no_space_timeout ''"
	"no_space_timeout|2 no_space_timeout -5"
	"no_space_timeout|2 no_space_timeout 4294967296"
	"no_space_timeout|4 no_space_timeout 1 no_space_timeout 1"
	"ignore_discard|2 ignore_discard ignore_discard"
	"force_base|2 force_base force_base"
	"error_if_no_space|2 error_if_no_space error_if_no_space"
	"no_discard_passdown|2 no_discard_passdown no_discard_passdown"
	"argument|1"
	"argument|3 ignore_discard"
	"argument|x ignore_discard"
	"argument|-1"
	"argument|0 ignore_discard"
	"argument|1 ignore_discard force_base"
)
# The parser is the same everywhere: on a second kernel every fourth will do.
[[ $KERNEL == uml ]] && every=1 || every=4
for ((i = 0; i < ${#wrong[@]}; i += every)); do
	refused "${wrong[i]%%|*}" - "$L ${wrong[i]#*|}"
done

# the numbers before: of deltas and of devices
S="0 32768 redo"
refused '.' - "$S"
refused '.' - "$S $base"
refused '.' - "$S $base x $d1"
refused '.' - "$S $base -1 $d1"
refused '.' - "$S $base 2 $d1"
refused '/dev/nonexistent|device' - "$S /dev/nonexistent 0"
refused '/dev/nonexistent|device' - "$S $base 1 /dev/nonexistent"

# none of the refusals has left anything open
mkchain chain "$base" "$d1"
