#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The story of a chain, told in a virtual machine: `make demo` is this.
#
# Usage: demo.sh [--keep] [--no-install] [--kernel 6.1|6.12] [--disks DIRECTORY]
#
# Installs what is missing, builds, boots a virtual machine with Debian's kernel, and
# lets inside.sh do there what an administrator would: snapshots of a filesystem
# in use, views, backups of what has changed, a clone, a revert, a power cut in the middle, and
# in the end the deletion of the snapshots, one under load and then all. Everything that comes back is
# compared with checksums taken at the time; exit status 1 if anything differs, or
# if the kernel has complained. --disks: the files that are the disks are made in that directory,
# which has to be empty or new, and kept; otherwise only --keep keeps them.
#
# HOST=1 does it on this host instead: loads the module into its kernel and makes
# loop devices on files; asks first unless YES=1. The power cut becomes an
# orderly deactivation then.

set -eEuo pipefail

trap 'echo "demo: line $LINENO: $BASH_COMMAND" >&2' ERR
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
. tests/lib/klog.sh

keep='' install=yes kernel=6.12 work=''
while [[ $# -gt 0 ]]; do
	case $1 in
	--keep)		keep=yes ;;
	--no-install)	install='' ;;
	--kernel)	kernel=$2; shift ;;
	--disks)	work=$2 keep=yes; shift ;;
	*)		sed -n '/^# Usage/,/^$/s/^# \?//p' "$0" >&2; exit 2 ;;
	esac
	shift
done

say() {
	printf '\n=== %s\n' "$*"
}

die() {
	echo "demo: $*" >&2
	exit 1
}

# For the base, deltas, what has changed, and what is restored; all sparse
readonly nr_disks=10 disk_size=640M megabytes=160
disks=()

make_disks() {
	local i
	[[ -n $work ]] || work=$(mktemp -d /var/tmp/redo-demo.XXXXXX)
	mkdir -p "$work"
	[[ -z $(ls -A "$work") ]] || die "$work is not empty"
	trap clean_up EXIT
	mkdir "$work/record"
	for ((i = 0; i < nr_disks; i++)); do
		truncate -s $disk_size "$work/disk$i"
		disks+=(--disk "$work/disk$i")
	done
	choose_files
}

clean_up() {
	local status=$?
	[[ -z ${guest:-} ]] || kill "$guest" 2> /dev/null || true
	wait || true
	if [[ -n $keep || ! -d $work ]]; then
		echo "disks and records are kept in $work"
	else
		rm -rf "$work"
	fi
	exit $status
}

# What is copied: files of /usr/share, which are the same in the guest, whose root
# is this host's. Chosen here, for it takes a guest long to look for them.
choose_files() {
	find /usr/share -xdev -type f -size +19k -size -3000k -printf '%s %P\n' | sort -k 2 |
		awk -v most=$((megabytes * 1000000)) '
			{ total += $1 }
			total <= most { sub(/^[0-9]+ /, ""); print "usr/share/" $0 }' > "$work/record/names"
	[[ $(wc -l < "$work/record/names") -gt 100 ]] || die "too little in /usr/share for a demo"
}

# The guest's console, or this host's log
no_complaints() {
	! klog_problems < "$1" >&2 || die "the kernel has complained: see above"
}

# boot <argument of inside.sh>: a guest with the disks; its words are shown
boot() {
	tests/guest/run-qemu.sh "$kernel" --timeout 900 --memory 2048 --module "$module" \
		--pid-file "$work/pid" --results "$work/record" "${disks[@]}" \
		-- tests/demo/inside.sh "$1"
}

# The plug is pulled when the guest says that it is in the middle of writing.
# QEMU is killed by its process id: nothing in the guest gets a chance to tidy up.
boot_and_cut() {
	(trap - ERR; boot first) &	# its death is planned
	guest=$!
	until grep -q '^PULL THE PLUG' "$work/record/output" 2> /dev/null; do
		kill -0 $guest 2> /dev/null || { wait $guest || true; guest=''; die "the first part has failed"; }
		sleep 0.2
	done
	sleep 2
	: > "$work/pid.planned"
	kill -9 "$(cat "$work/pid")" || die "the guest ended before its power was cut"
	wait $guest 2> /dev/null && die "the guest survived the power cut"
	guest=''
	rm "$work/pid.planned"
	no_complaints "$work/record/kernel.log"
	say "The virtual machine is gone, killed in the middle of writing."
}

in_guest() {
	module=$(tests/lib/modules.sh "$kernel")
	make_disks
	say "A virtual machine with Debian's $kernel kernel boots."
	boot_and_cut
	say "It boots again, with nothing but its disks."
	boot second || die "the second part has failed"
	no_complaints "$work/record/kernel.log"
}

on_host() {
	[[ $(id -u) -eq 0 ]] || die "HOST=1 needs root"
	if [[ ${YES:-} != 1 ]]; then
		echo "This loads dm-redo into the kernel of this host, $(uname -r), and makes"
		echo "device-mapper and loop devices (on files in /var/tmp), among them the chains office and lab."
		read -r -p "Go on? [y/N] " answer || die "not confirmed: YES=1 goes on without asking"
		[[ $answer == [yY]* ]] || die "not confirmed"
	fi
	module=$(tests/lib/modules.sh host)
	make_disks
	export REDO_RESULTS=$work/record REDO_TOP=$top REDO_MODULE=$module REDO_WORK=$work
	export REDO_CHAINS=$work/chains	# not the register of this host
	klog_mark demo
	tests/demo/inside.sh host || die "it has failed"
	klog_since demo > "$work/klog"
	no_complaints "$work/klog"
}

[[ -z $install ]] || tests/lib/packages.sh
started=$SECONDS
make -s tools > /dev/null || die "the tool does not build: make tools"
if [[ ${HOST:-} == 1 ]]; then
	on_host
else
	in_guest
fi
say "Everything that was promised was there, after $((SECONDS - started)) seconds."
