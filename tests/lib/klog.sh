# SPDX-License-Identifier: GPL-2.0-or-later
#
# The kernel log as a witness: any of these in it fails a test, whatever else
# the test found.  Sourced.

klog_patterns=(
	'BUG:' 'WARNING:' 'KASAN' 'UBSAN' 'ODEBUG' 'Oops'
	'Call Trace:' 'general protection' 'unable to handle' 'kernel BUG at'
	'possible circular locking' 'possible recursive locking'
	'possible irq lock inversion' 'inconsistent lock state'
	'suspicious RCU' 'INFO: task ' 'blocked for more than' 'invalid wait context'
	'sleeping function called' 'scheduling while atomic' 'held lock freed'
	'lock held when returning' 'soft lockup' 'detected stall' 'stalls on CPU'
	'list_add corruption' 'list_del corruption' 'refcount_t:'
	'workqueue lockup' 'suspected memory leaks' 'Objects remaining in' 'page allocation failure'
)

# Where a case makes allocations fail, the kernel itself dumps the stack of a
# kmem_cache_create() or vmalloc() that got no memory, whatever its caller does about it
# (-22 where it was deeper inside).
klog_without_expected() {
	awk '/redo-test: begin / { purpose = 0 }
		/redo-test: allocations fail on purpose/ { purpose = 1 }
		purpose && /kmem_cache_create.* failed with error -(12|22)|: vmalloc error: size / { dump = 1 }
		dump && /Call Trace:/ { dump = 0; next }
		{ print }'
}

# KCSAN tells of the kernel's own races as well: a report counts when the module is
# on either stack.  (What stands below "Reported by" names the worker.)
klog_without_foreign_races() {
	awk '/BUG: KCSAN: / && !/dm_redo/ { held = $0; next }
		held != "" && /dm_redo/ { print held; held = "" }
		/Reported by Kernel Concurrency Sanitizer/ { held = "" }
		{ print }'
}

# klog_problems < log: prints the lines that fail a test; fails if there is none
klog_problems() {
	local IFS=$'\n'
	klog_without_expected | klog_without_foreign_races | grep -F "${klog_patterns[*]}"
}

# klog_mark <text>: makes a place in the kernel log that klog_since finds
klog_mark() {
	echo "redo-test: begin $1" > /dev/kmsg
}

# klog_since <text>: the log from the last such mark on (all, if it is gone)
klog_since() {
	dmesg | awk -v mark="redo-test: begin $1" '
		index($0, mark) { text = "" }
		{ text = text $0 "\n" }
		END { printf "%s", text }'
}
