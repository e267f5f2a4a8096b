# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 400
#
# A request to a lower device fails, or an allocation of the module: some of all
# those of a workload, one by one. `make check-faults` takes every one.
# See tests/model/redo-fault.c.

. "$TOP/tests/lib/fault.sh"
load_fault_target

faults 61
faults 97 --when after --kinds w --small-journal
faults 89 --scope all --kinds wf
faults 101 --scope here --grain 64K
faults 415 --what slab
faults 201 --what page
