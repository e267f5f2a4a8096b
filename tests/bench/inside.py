#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The measurements, in a guest or on a host.  Leaves what was measured in a file, for
report.py.

"one" is everything from one CPU; "two" is what is measured from two, and the same
from one of these two.
"""

import argparse
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from parts import disks, merges, plan, rounds, tracking	# noqa: E402

SCRATCH = '/run/redo-bench'


def show(text):
    print(text, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--base', help='a device for all that is below')
    parser.add_argument('--delta', help='a device for all that targets store')
    parser.add_argument('--quick', action='store_true', help='two depths only')
    parser.add_argument('file')
    parser.add_argument('cpus', choices=('one', 'two'))
    parser.add_argument('rounds', type=int)
    parser.add_argument('job', nargs='+', help='a pattern')
    return parser.parse_args()


def main():
    args = arguments()
    where = disks.Slices(args.base, args.delta) if args.base else disks.RamDisks()
    os.makedirs(SCRATCH, exist_ok=True)
    taken = rounds.Rounds(show)
    p = plan.Plan(where, taken, SCRATCH, args.job, args.rounds, args.quick)
    if args.cpus == 'two':
        p.mapped((('-1of2', 1), ('-2cpu', 2)))
    else:
        p.mapped((('', 1),))
        p.first_writes()
        p.sequential()
        p.passthrough()
        p.windows()
        p.map_size()
        merges.Merges(p).run()
        tracking.Tracking(p).run()
    with open(args.file, 'w') as f:
        json.dump(taken.dump(), f)


if __name__ == '__main__':
    main()
