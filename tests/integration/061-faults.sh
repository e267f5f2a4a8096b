# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml kcsan
# timeout: 400
#
# A request to a lower device fails, or an allocation of the module: some of all
# those of a workload, one by one. `make check-faults` takes every one.
# See tests/model/redo-fault.c.

. "$TOP/tests/lib/fault.sh"
load_fault_target

# Where data races are looked for: four threads, and what they meet when a request fails
if [[ $KERNEL == kcsan ]]; then
	faults 401 --threads 4 --small-journal
	exit
fi

faults 101
faults 151 --when after --kinds w --small-journal
faults 139 --scope all --kinds wf
faults 23 --kinds f
faults 151 --scope here --grain 64K
faults 97 --merges
faults 601 --what slab
faults 331 --what page
