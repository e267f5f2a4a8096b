# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the campaigns share: lanes of guests, building, counting.  Sourced, with
# $top set and the current directory there.

# build <what> <command>...: quietly, with its log where it fails
build() {
	local what=$1 log=build/campaign-build-$1.log
	shift
	mkdir -p build
	echo "building $what"
	"$@" > "$log" 2>&1 && return
	tail -n 30 "$log" >&2
	exit 1
}

# build_all <flavour of the module>
build_all() {
	build "module-$1" tests/lib/modules.sh "$1"
	build tools make -s -C userspace
	build model make -s -C tests/model
}

# in_guest <results directory> <module> <seconds> <command>...: its status; what
# it printed is in <results directory>/output.  $with goes in front.
in_guest() {
	local dir=$1 ko=$2 seconds=$3
	shift 3
	mkdir -p "$dir"
	# shellcheck disable=SC2086 # $with is a list of words
	$with tests/guest/run-uml.sh --lean --quiet --results "$dir" --timeout "$seconds" \
		--memory 3072 --module "$ko" -- "$@" 2>> "$dir/stderr"
}

# run_lanes <function> <lanes> <item>...: calls the function with each item, so many
# at a time; ends early, between items, when time_is_up says so
run_lanes() {
	local function=$1 lanes=$2 running=0 item
	shift 2
	for item in "$@"; do
		if ((running >= lanes)); then
			wait -n
			running=$((running - 1))
		fi
		time_is_up && break
		"$function" "$item" &
		running=$((running + 1))
	done
	wait
}

time_is_up() {
	[[ -n ${end:-} && $SECONDS -ge $end ]]
}

# sum <directory> <text that follows the number>: over what redo-crash reported
sum() {
	cat "$1"/*/output 2>/dev/null |
		sed -n "s/^redo-crash: workload .* \([0-9]*\) $2.*passed.*/\1/p" |
		awk '{n += $1} END {print n + 0}'
}
