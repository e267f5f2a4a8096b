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
. "$here/linux-source.sh"

arch=um image=linux
lean_hz=1000	# most of a campaign is waiting for ticks; under KASAN they cost more
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

# What the cached kernel depends on, besides the source's version
recipe() {
	configuration
	declare -f "${tweaks[@]}"
}

# UML does not ask for its HZ.
set_hz() {
	[[ $kind == uml ]] ||
		sed -i "/^config HZ/,/default/s/default .*/default $lean_hz/" "$tree/arch/um/Kconfig"
}

finish_source() {
	set_hz && tweak_source &&
	{ [[ $kind == uml-lean ]] || tweak_time_travel; }
}

main_build "$@"
echo "$tree"
