# SPDX-License-Identifier: GPL-2.0-or-later
#
# What run-uml.sh and run-qemu.sh share: options, the results directory, and the
# watchdog that ends a guest.  Sourced.
#
# How a guest works: its root is the host's, read-only, under an overlay on
# tmpfs, so that the checkout and every program are where they are on the host
# and nothing that happens inside changes them.  The one writable thing is the
# results directory, seen inside as $REDO_RESULTS:
#	command		the command to run (written here by the host)
#	output		what it printed
#	status		its exit status; missing if the guest died
#	booted		there once the guest's root and modules are in place
#	kernel.log	the guest's console: the kernel's messages

. "$here/../lib/cache.sh"
top=$(cd "$here/../.." && pwd)

options_help='Options:
  --results DIR    results directory, kept (default: a temporary one)
  --timeout N      seconds until a guest is ended (default 120)
  --memory N       MiB (default 2048)
  --disk FILE      a raw disk in a file, may be repeated; inside, the first one is
                   /dev/redo-disk0.  Files survive the guest, also when it is killed
  --append TEXT    more kernel command line
  --module FILE    module to load (default: build/<flavour>/dm-redo.ko if it is
                   there; "none": load nothing)
  --pid-file FILE  gets the process id to kill for a power cut; who has made FILE.planned
                   before is not told that the guest has died
  --deadline FILE  the guest is ended as well when FILE holds N and was last
                   written more than N seconds ago
  --quiet          do not copy the output of the command to the standard output
Exit status: that of the command; 124: timed out; 125: the guest died.'

usage() {
	sed -n '/^# Usage/,/^$/s/^# \?//p' "$0" >&2
	echo "$options_help" >&2
	exit 2
}

# Sets the variables below from the command line; what is left is in $command.
results='' timeout=120 memory=2048 append='' module='' pid_file='' deadline='' quiet=''
disks=() command=()
parse_options() {
	while [[ $# -gt 0 ]]; do
		case $1 in
		--results)	results=$2; shift ;;
		--timeout)	timeout=$2; shift ;;
		--memory)	memory=$2; shift ;;
		--disk)		disks+=("$(realpath "$2")"); shift ;;
		--append)	append+=" $2"; shift ;;
		--module)	module=$2; shift ;;
		--pid-file)	pid_file=$2; shift ;;
		--deadline)	deadline=$2; shift ;;
		--quiet)	quiet=1 ;;
		--)		shift; break ;;
		-*)		usage ;;
		*)		break ;;
		esac
		shift
	done
	command=("$@")
	[[ ${#command[@]} -gt 0 ]] || usage
}

# prepare_results <flavour> <directory with lib/modules>
prepare_results() {
	local flavour=$1 modules_root=$2
	if [[ -z $results ]]; then
		results=$(mktemp -d /tmp/redo-guest.XXXXXX)
		trap 'rm -rf "$results"' EXIT
	fi
	mkdir -p "$results"
	results=$(realpath "$results")
	rm -f "$results"/{output,status,booted,kernel.log,command,environment}
	: > "$results/output"
	[[ -z $module && -e $top/build/$flavour/dm-redo.ko ]] &&
		module=$top/build/$flavour/dm-redo.ko
	[[ $module == none ]] && module=''
	{
		echo "REDO_TOP=$(printf %q "$top")"
		echo "REDO_KERNEL=$flavour"
		echo "REDO_MODULES_ROOT=$(printf %q "$modules_root")"
		echo "REDO_MODULE=$(printf %q "${module:+$(realpath "$module")}")"
		echo "REDO_DISKS=${#disks[@]}"
		echo "REDO_CWD=$(printf %q "$PWD")"
		# what asks cases for more, or for something else, than usual
		for name in REDO_SEED REDO_GRAINS REDO_SECONDS REDO_TIMEOUT; do
			[[ -z ${!name:-} ]] || echo "$name=$(printf %q "${!name}")"
		done
	} > "$results/environment"
	printf '%q ' "${command[@]}" > "$results/command"
	echo >> "$results/command"
}

# Ends the guest, which is its own process group: UML's children are with it.
end_guest() {
	kill -9 -- "-$1" 2>/dev/null || kill -9 "$1" 2>/dev/null || true
}

overdue() {
	local seconds
	[[ -n $deadline && -s $deadline ]] || return 1
	read -r seconds < "$deadline" || return 1
	(($(date +%s) > $(stat -c %Y "$deadline") + seconds))
}

# Emulated processors sometimes lose each other while they boot: a console that
# stays silent for $silence seconds before the guest is up. Or one trips over code that
# another is just patching (an int3 that nobody set), and the kernel is dead.
silence=''
stuck_in_boot() {
	[[ -n $silence && ! -e $results/booted ]] &&
		(($(date +%s) > $(stat -c %Y "$results/kernel.log") + silence))
}

died_in_boot() {
	[[ -n $silence && ! -e $results/booted && ! -s $results/status ]] &&
		grep -aq 'Oops: int3' "$results/kernel.log"
}

# Waits for the guest, ends it when it must be, and says why in $why.
watch_guest() {
	local pid=$1 end=$((SECONDS + timeout))
	why=''
	while kill -0 "$pid" 2>/dev/null; do
		if ((SECONDS >= end)); then
			why="not finished after $timeout seconds"
		elif stuck_in_boot; then
			why="stuck while booting"
		elif overdue; then
			why="no progress for $(cat "$deadline") seconds"
		fi
		[[ -n $why ]] && break
		sleep 0.2
	done
	end_guest "$pid"
	wait "$pid" 2>/dev/null || true
	[[ -z $why ]] && died_in_boot && why="dead while booting"
	return 0
}

# boot_guest <program> <argument>...: one attempt
boot_guest() {
	local pid tail_pid=''
	setsid "$@" < /dev/null > "$results/kernel.log" 2>&1 &
	pid=$!
	trap "end_guest $pid; exit 130" INT TERM HUP
	[[ -n $pid_file ]] && echo "$pid" > "$pid_file"
	if [[ -z $quiet ]]; then
		tail -s 0.2 -n +1 -f --pid="$pid" "$results/output" 2>/dev/null &
		tail_pid=$!
	fi
	watch_guest "$pid"
	[[ -n $tail_pid ]] && { wait "$tail_pid" || true; }
	return 0
}

# Was it killed by who has asked for its process id?
planned() {
	[[ -n $pid_file && -e $pid_file.planned ]]
}

# run_guest <program> <argument>...: runs it to its end, or to the time-out, and
# returns the status that the command left.
run_guest() {
	local why status=125 attempt

	for attempt in 1 2 3; do
		[[ -n $deadline && -e $deadline ]] && touch "$deadline"
		boot_guest "$@"
		[[ $why == *' while booting' ]] || break
		echo "guest: $why (attempt $attempt)" >&2
	done

	if [[ -s $results/status ]]; then
		read -r status < "$results/status"
	elif [[ -n $why ]]; then
		echo "guest: $why: ended" >&2
		status=124
	fi
	if [[ $status -eq 124 || $status -eq 125 ]] && [[ -z $quiet ]] && ! planned; then
		echo "guest: the end of its console:" >&2
		tail -n 25 "$results/kernel.log" >&2
	fi
	return "$status"
}
