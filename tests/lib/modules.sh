#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the module for one kernel, in a directory of its own under build/, so
# that builds for several kernels do not disturb one another.
#
# Usage: modules.sh <flavour> [<make argument>...]
#
#	uml	dm-redo.ko for the User-Mode-Linux test kernel
#	kunit	dm-redo-kunit.ko for that kernel: the target with its KUnit suites
#	lean	dm-redo.ko for the lean User-Mode-Linux kernel, for campaigns
#	mutants	the same with the breakages of kernel/redo-mutate.h in it
#	6.1	dm-redo.ko for Debian's 6.1 kernel
#	6.12	dm-redo.ko for Debian's 6.12 kernel
#	kcsan	dm-redo.ko for the kernel that looks for data races
#	host	dm-redo.ko for $KDIR, by default the running kernel's headers
#	fault	dm-redo-fault.ko for the User-Mode-Linux kernel: fails requests, for tests
#	fault-kcsan	the same for the kernel that looks for data races
#
# Prints the module's path.  W=1, C=1 and the like go to kbuild.
# STRICT=1 makes any warning, of the compiler, modpost or sparse, an error.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
flavour=${1:-}
[[ $# -gt 0 ]] && shift
module=dm-redo.ko
sources='Kbuild kernel/*.[ch] tests/kunit/*.[ch] tests/mutants/*.c'
args=()

case $flavour in
uml)
	kdir=$("$top/tests/guest/build-uml.sh")
	args=(ARCH=um "KCFLAGS=-include $top/tests/lib/every-message.h") ;;
kunit)
	kdir=$("$top/tests/guest/build-uml.sh")
	args=(ARCH=um REDO_KUNIT=1)
	module=dm-redo-kunit.ko ;;
kcsan)
	kdir=$("$top/tests/guest/build-kcsan.sh")/kdir
	# With lines, for scripts/faddr2line
	args=(KCFLAGS=-g) ;;
fault | fault-kcsan)
	if [[ $flavour == fault ]]; then
		kdir=$("$top/tests/guest/build-uml.sh")
		args=(ARCH=um)
	else
		kdir=$("$top/tests/guest/build-kcsan.sh")/kdir
	fi
	module=dm-redo-fault.ko
	sources='tests/fault/Kbuild tests/fault/*.c' ;;
lean | mutants)
	kdir=$("$top/tests/guest/build-uml.sh" --lean)
	args=(ARCH=um)
	[[ $flavour == lean ]] || args+=(REDO_MUTATE=1) ;;
6.1 | 6.12)
	kdir=$("$top/tests/guest/debian-kernel.sh" "$flavour")/kdir
	# Type information needs pahole, and no test needs type information.
	args=(CONFIG_DEBUG_INFO_BTF_MODULES=) ;;
host)
	kdir=${KDIR:-/lib/modules/$(uname -r)/build} ;;
*)
	sed -n '4,22s/^# \?//p' "${BASH_SOURCE[0]}" >&2
	exit 2 ;;
esac

if [[ ! -e $kdir/Makefile ]]; then
	echo "modules.sh: no kernel headers at $kdir: install linux-headers-$(uname -r) or give KDIR=" >&2
	exit 1
fi

dir=$top/build/$flavour

# A farm of symbolic links to the sources.  Links to sources that went are
# removed, or kbuild's wildcards would find them.
link_sources() {
	local file
	mkdir -p "$dir/kernel" "$dir/tests/kunit" "$dir/tests/mutants"
	find "$dir" -xtype l -delete
	for file in $sources; do
		[[ -e $top/$file ]] && ln -sfn "$top/$file" "$dir/${file#tests/fault/}"
	done
	return 0
}

# Warnings that the kernel's own headers and scripts cause, not our sources.
noise='Skipping BTF generation|module verification|compiler differs|The kernel was built by|You are using'

build() {
	local log=$dir/build.log
	if ! make -C "$kdir" M="$dir" -j"$(nproc)" "${args[@]}" "$@" modules > "$log" 2>&1; then
		grep -vE '^make|^  (CC|LD|MODPOST|CHECK)' "$log" >&2 || true
		return 1
	fi
	if grep -E 'warning:|WARNING:|: error:' "$log" | grep -vE "$noise" >&2; then
		[[ ${STRICT:-0} == 1 ]] && return 1
	fi
	return 0
}

cd "$top"
mkdir -p build
exec 9>"build/.lock-$flavour"
flock 9
link_sources
# Warnings are only seen when a file is compiled: a strict build starts anew.
[[ ${STRICT:-0} == 1 ]] && find "$dir" -name '*.o' -delete
build "$@"
echo "$dir/$module"
