#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Usage: run-qemu.sh 6.1|6.12|kcsan [options] [--] <command> [<argument>...]
#
# Runs a command in a guest with Debian's stock kernel of that series, 2 CPUs, or with
# the kernel of build-kcsan.sh.
# REDO_ACCEL=tcg or kvm chooses the accelerator; by default KVM is used where a
# guest has been seen to work with it.  REDO_ACCEL=icount: emulated, and time in the
# guest is the number of instructions that it has executed, one a nanosecond on both
# processors together: the same run takes the same time, whatever the host is doing.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/guest.sh"

series=${1:-}
[[ $series == 6.1 || $series == 6.12 || $series == kcsan ]] || usage
shift
silence=45
parse_options "$@"
case $series in
kcsan)	kernel=$("$here/build-kcsan.sh") silence=150 ;;
*)	kernel=$("$here/debian-kernel.sh" "$series") ;;
esac
initramfs=$("$here/initramfs.sh" "$kernel")

# A /dev/kvm may be there on which a guest hangs: only one that has booted counts.
# The answer holds for this kernel of the host.
probe_kvm() {
	local answer=$REDO_CACHE/kvm-$(uname -r)
	if [[ ! -s $answer ]]; then
		if [[ -w /dev/kvm ]] && REDO_ACCEL=kvm "$0" "$series" --module none --quiet \
				--timeout 10 --memory 512 -- true > /dev/null 2>&1; then
			echo kvm > "$answer"
		else
			echo tcg > "$answer"
		fi
	fi
	cat "$answer"
}

accel=${REDO_ACCEL:-$(probe_kvm)}
case $accel in
kvm)	machine=(-accel kvm -cpu host) ;;
# without cmpxchg16b: QEMU 7.2, when it counts, at times leaves wrong flags behind it
icount)	machine=(-accel tcg,thread=single -icount shift=0,sleep=off -cpu Nehalem,-cx16) ;;
*)	machine=(-accel tcg,thread=multi -cpu Nehalem) ;;
esac

prepare_results "$series" "$kernel"

arguments=(
	"${machine[@]}" -smp 2 -m "$memory" -nodefaults -no-user-config
	-display none -serial stdio -no-reboot
	-kernel "$kernel/vmlinuz" -initrd "$initramfs"
	-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap
	-device virtio-9p-pci,fsdev=host,mount_tag=host
	-fsdev "local,id=results,path=$results,security_model=none,multidevs=remap"
	-device virtio-9p-pci,fsdev=results,mount_tag=results
)
# cache=writeback: what the guest has flushed survives a kill of the guest.
for i in "${!disks[@]}"; do
	arguments+=(
		-drive "file=${disks[i]},format=raw,if=none,id=disk$i,cache=writeback,discard=unmap"
		-device "virtio-blk-pci,drive=disk$i"
	)
done

# KCSAN: the other processor is to get somewhere while this one watches an address, also
# where the host lets them take turns: long looks at one access in 500 or so.
watch=''
[[ $series != kcsan ]] ||
	watch='kcsan.udelay_task=4000 kcsan.udelay_interrupt=400 kcsan.skip_watch=1000'

# TCG is slow and shares its processors: what looks like a lock-up to a watchdog
# made for real hardware is none.
cmdline="console=ttyS0 loglevel=7 panic=-1 mitigations=off nokaslr random.trust_cpu=on
	watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120
	REDO_RESULTS=$results REDO_TOP=$top $watch $append"

run_guest qemu-system-x86_64 "${arguments[@]}" -append "${cmdline//$'\n'/ }"
