# SPDX-License-Identifier: GPL-2.0-or-later
"""One round of a job: every target once, beginning with another one each time."""

from . import fio


def measure(targets, job, make_run, scratch, rounds, turn, unit, factor=1, fresh=False):
    """@fresh: the targets are made anew, with nothing written to them."""
    turn %= len(targets)
    values = {}
    for t in targets[turn:] + targets[:turn]:
        if fresh:
            t.drop()
            t.make()
        values[id(t)] = fio.measure(make_run(t), scratch) * factor
    for t in targets:
        rounds.add(job, t.name, t.depth, values[id(t)], unit)
