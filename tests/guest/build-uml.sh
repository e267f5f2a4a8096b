#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the User-Mode-Linux kernel that KUnit and the integration tests run in
# (KASAN, lockdep, fault injection: see uml.config), from Debian's linux-source.
# The result is cached and keyed by the source's version and the configuration.
#
# Usage: build-uml.sh [--lean] [--print-dir]
#
# --lean: a kernel without what watches the code, several times faster, for
# campaigns that look at what is on the disks.
# Prints the build tree's directory; with --print-dir it builds nothing and fails
# if there is none yet.  In that tree
#	linux			is the kernel
#	root/lib/modules/*	are its modules
#	make -C <tree> M=<dir> ARCH=um modules	builds an out-of-tree module

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib/cache.sh"

series=6.12
lean_hz=1000	# most of a campaign is waiting for ticks; under KASAN they cost more
source=/usr/src/linux-source-$series.tar.xz
kind=uml
[[ ${1:-} == --lean ]] && { kind=uml-lean; shift; }

# What the kernel has on top of allnoconfig
configuration() {
	case $kind in
	uml)	cat "$here/uml.config" ;;
	*)	sed '/^# What watches the code under test/,$d; /_DEBUG_/d; /KALLSYMS_ALL/d' "$here/uml.config"
		# a disk that takes no memory, for check-memory
		echo "CONFIG_HZ=$lean_hz
CONFIG_ZRAM=m" ;;
	esac
}

# On a processor with AMX the host takes a process's vector registers only as a whole, of
# 11 KiB; this kernel has room for 2696 bytes of them, and no guest uses more: zeroes follow.
tweak_registers() {
	sed -i -e 's/^static int have_xstate_support;/#include <string.h>\n&\nstatic char whole_xstate[16384];\nstatic unsigned long xstate_size;/' \
		-e '/^int restore_fp_registers/,/^}/ {
			s/iov_base = fp_regs;/iov_base = memcpy(whole_xstate, fp_regs, FP_SIZE * sizeof(long));/
			s/iov_len = .*/iov_len = xstate_size;/
		}' \
		-e '/fp_regs = malloc/,/have_xstate/ {
			s/FP_SIZE \* sizeof(unsigned long)/sizeof(whole_xstate)/
			s/have_xstate_support = 1;/have_xstate_support = 1, xstate_size = iov.iov_len;/
		}' "$tree/arch/x86/um/os-Linux/registers.c"
}

# With time-travel the processor's own timer is set for the event that comes next, after
# idling as well; this kernel would set it for the end of time, and nobody be preempted.
tweak_time_travel() {
	sed -i 's/os_timer_one_shot(time_travel_timer_event.time - next)/os_timer_one_shot(time_travel_timer_event.time - time_travel_time)/' \
		"$tree/arch/um/kernel/time.c"
}

# What KASAN does not know of User-Mode Linux makes it three times slower: the shadow
# of all its memory is copied for each of the guest's processes, and for each object
# allocated or freed every word of the stack is looked up, where frames would do.
# A source that looks different stays as it is, and is only slower.
tweak_source() {
	local um=$tree/arch/um
	sed -i '/^void kasan_map_memory/,/^}/s/^}/\tmadvise(start, len, MADV_DONTFORK);\n}/' \
		"$um/os-Linux/mem.c"
	sed -i 's/if (__kernel_text_address(addr))/if ((unsigned long)sp == bp + sizeof(long) \&\& __kernel_text_address(addr))/' \
		"$um/kernel/stacktrace.c"
	# These run in the process without a shadow, or on stacks that are not theirs.
	printf 'KASAN_SANITIZE_%s.o := n\n' physmem stacktrace >> "$um/kernel/Makefile"
	tweak_registers
}

tweaks=(tweak_source tweak_registers)
[[ $kind == uml-lean ]] || tweaks+=(tweak_time_travel)
version=$(package_version linux-source-$series)
tree=$REDO_CACHE/$kind-$version-$({ configuration; declare -f "${tweaks[@]}"; } | sha256sum | cut -c1-12)
fragment=$tree.config
stamp=$tree/.redo-complete
log=$tree.log

# GPU drivers and other machines' code are two thirds of the source; leaving
# them out saves a minute.  Kconfig files stay, since the top one includes them.
unpack() {
	rm -rf "$tree"
	mkdir -p "$tree"
	local other=() arch
	for arch in alpha arc arm arm64 loongarch m68k mips powerpc riscv s390 sh sparc; do
		other+=("--exclude=*/arch/$arch/*.[chS]" "--exclude=*/arch/$arch/boot/dts")
	done
	tar -C "$tree" --strip-components=1 -xf "$source" "${other[@]}" \
		--exclude='*/drivers/gpu/*.[ch]' \
		--exclude='*/drivers/net/ethernet/*.[ch]' --exclude='*/drivers/net/wireless/*.[ch]' \
		--exclude='*/drivers/media/*.[ch]' --exclude='*/sound/*.[ch]' \
		--exclude='*/tools/testing/selftests' --exclude='*/Documentation/devicetree'
}

# UML does not ask for its HZ.
set_hz() {
	[[ $kind == uml ]] ||
		sed -i "/^config HZ/,/default/s/default .*/default $lean_hz/" "$tree/arch/um/Kconfig"
}

# Kconfig drops silently what it cannot satisfy.  A test kernel without KASAN
# would pass everything, so that is an error here.
verify_config() {
	local line bad=0
	while read -r line; do
		[[ $line == *'--- optional'* ]] && break
		[[ $line == CONFIG_* ]] || continue
		if ! grep -qxF "$line" "$tree/.config"; then
			echo "build-uml.sh: the kernel's configuration did not take $line" >&2
			bad=1
		fi
	done < "$fragment"
	return $bad
}

umake() {
	make -s -C "$tree" ARCH=um "$@"
}

build_tree() {
	unpack &&
	set_hz &&
	tweak_source &&
	{ [[ $kind == uml-lean ]] || tweak_time_travel; } &&
	configuration > "$fragment" &&
	umake allnoconfig KCONFIG_ALLCONFIG="$fragment" &&
	verify_config &&
	umake -j"$(nproc)" linux modules &&
	umake modules_install INSTALL_MOD_PATH="$tree/root" &&
	touch "$stamp"
}

build() {
	[[ -e $stamp ]] && return
	echo "build-uml.sh: building User-Mode-Linux $version, $kind (about 5 minutes); log in $log" >&2
	build_tree > "$log" 2>&1 && return
	tail -n 30 "$log" >&2
	return 1
}

case ${1:-} in
--print-dir)
	[[ -e $stamp ]] || { echo "build-uml.sh: not built yet" >&2; exit 1; } ;;
'')
	with_lock "$kind" build ;;
*)
	sed -n '4,18s/^# \?//p' "${BASH_SOURCE[0]}"
	exit 2 ;;
esac
echo "$tree"
