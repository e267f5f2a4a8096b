# SPDX-License-Identifier: GPL-2.0-or-later
"""
What changed block tracking costs: a chain with it against one without, and dm-era
against the dm-linear below it, in the same rounds. And how long a query takes.
"""

import fcntl
import os
import struct
import time

from . import dm, jobs, targets
from .disks import MIB, wipe
from .turns import measure

BLOCK = 128		# sectors of a tracked block, of the store's and of dm-era's: 64 KiB
STORE = 64 * MIB
WIDE = 16 << 40		# of the device that is queried
RUNS = 10000		# runs that have changed, in it
RUN = 16 * MIB		# bytes of each: together 1 %
BLKDISCARD = 0x1277
LONG = 128 * MIB	# where a hundredth matters: fio counts milliseconds


class Chain(targets.Redo):
    """A chain with a delta; its blocks can be forgotten as by a backup."""
    name = 'off'

    def __init__(self, disks, base, size, deltas=1):
        self.depth = deltas
        super().__init__(disks, base, size)

    def place(self, disks):
        self.dm_name = 'bench-cbt-' + self.name
        if self.depth:
            self.delta = disks.disk('delta-' + self.name, self.size + 3 * 16 * MIB)

    def line(self):
        deltas = '0'
        if self.depth:
            wipe(self.delta)
            deltas = '1 ' + self.delta
        return 'redo', self.length, '%s %s%s' % (self.base, deltas, self.features())

    def features(self):
        return ''

    def mark(self):
        pass


class Tracked(Chain):
    name = 'redo'

    def place(self, disks):
        super().place(disks)
        self.store = disks.disk('cbt-store', STORE)

    def features(self):
        wipe(self.store)
        return ' 2 cbt ' + self.store

    def mark(self):
        dm.ask(self.dm_name, 'cbt_mark')


class Linear(targets.Linear):
    name = 'linear'

    def mark(self):
        pass


class Era(targets.Target):
    """dm-era over a disk of its own."""
    name = 'era'
    depth = 1

    def place(self, disks):
        self.own = disks.disk('base-era', self.size)
        self.meta = disks.disk('era-meta', STORE)

    def line(self):
        wipe(self.meta)
        return 'era', self.length, '%s %s %d' % (self.meta, self.own, BLOCK)

    def mark(self):
        dm.message(self.dm_name, 'checkpoint')


class Tracking:
    """The jobs, as a group of a plan."""

    def __init__(self, plan):
        self.plan, self.disks = plan, plan.disks

    def run(self):
        p = self.plan
        p.group(['cbt-first-write'], lambda names: self._first_write())
        p.group(['cbt-overwrite', 'cbt-first-touch', 'cbt-first-touch-seq'], self._mapped)
        p.group(['cbt-passthrough', 'cbt-passthrough-first-touch'], self._passthrough)
        p.group(['cbt-query', 'cbt-query-stored'], self._query)

    def _group(self, size, deltas=1):
        group = [Linear(self.disks, None, size), *self.plan.peers(Era)]
        base = self.disks.disk('base', size)
        group[1:] = [c(self.disks, base, size) for c in group[1:]]
        for c in Chain, Tracked:
            # Without deltas both would write to one base: each has one of its own.
            own = base if deltas else self.disks.disk('base-' + c.name, size)
            group.append(c(self.disks, own, size, deltas))
        return group

    @staticmethod
    def _rand(rw, size, **more):
        return lambda t: jobs.rand4k(t.node, rw, (0, size), **more)

    def _first_write(self):
        """The delta was born with the epoch: what is mapped has changed."""
        size = 32 * MIB
        group = self._group(size)
        self.plan.each('cbt-first-write', group, self._rand('randwrite', size), fresh=True)
        drop(group)

    def _touches(self, job, group, make_run, unit='IOPS'):
        """Each time with nothing marked."""
        for turn in range(self.plan.times):
            for t in group:
                t.mark()
            measure(group, job, make_run, self.plan.scratch, self.plan.rounds, turn, unit)

    def _mapped(self, names):
        size = 64 * MIB
        group = self._group(size)
        make(group)
        for t in group:
            targets.provision(t.node, size)
        if 'cbt-overwrite' in names:
            self.plan.each('cbt-overwrite', group, self._rand('randwrite', size,
                                                              io_size=LONG))
        if 'cbt-first-touch' in names:
            self._touches('cbt-first-touch', group, self._rand('randwrite', size))
        if 'cbt-first-touch-seq' in names:
            self._touches('cbt-first-touch-seq', group, lambda t: jobs.seq1m(
                t.node, 'write', (0, size)), 'MiB/s')
        drop(group)

    def _passthrough(self, names):
        size = 64 * MIB
        group = self._group(size, deltas=0)
        make(group)
        for t in group:
            targets.provision(t.node, size)
        if 'cbt-passthrough' in names:
            self.plan.each('cbt-passthrough', group, self._rand('randwrite', size,
                                                                io_size=LONG))
        if 'cbt-passthrough-first-touch' in names:
            self._touches('cbt-passthrough-first-touch', group, self._rand('randwrite', size))
        drop(group)

    # --- queries ---

    def _query(self, names):
        base = self.disks.disk('base-widest', WIDE, filled=False, block=4096)
        delta = self.disks.disk('delta-widest', 512 * MIB)
        store = self.disks.disk('store-widest', 512 * MIB)
        line = 'redo', WIDE // 512, '%s 1 %s 2 cbt %s' % (base, delta, store)
        name = 'bench-query'
        node = dm.create(name, *line)
        try:
            change(node)
            for _ in range(self.plan.times):
                if 'cbt-query' in names:
                    self._time('cbt-query', name, line, 1, 'now')
            if 'cbt-query-stored' in names:
                dm.ask(name, 'cbt_mark')
                for _ in range(self.plan.times):
                    dm.remove(name)	# so that nothing of it is in memory
                    dm.create(name, *line)
                    self._time('cbt-query-stored', name, line, 1, 2)
        finally:
            dm.remove(name)

    def _time(self, job, name, line, first, last):
        took, runs = query(name, line[1], first, last)
        if sum(n for _, n in runs) != RUNS * (RUN // 512):
            raise RuntimeError('%s: %d runs, not what has changed' % (job, len(runs)))
        self.plan.rounds.add(job, 'redo', 1, took, 'ms')


def make(group):
    for t in group:
        t.make()


def drop(group):
    for t in group:
        t.drop()


def change(node):
    """Runs all over the device are discarded: that is a change, and needs no place."""
    step = WIDE // RUNS // MIB * MIB
    fd = os.open(node, os.O_RDWR)
    try:
        for n in range(RUNS):
            fcntl.ioctl(fd, BLKDISCARD, struct.pack('=QQ', n * step, RUN))
    finally:
        os.close(fd)


def tracker(name):
    """UUID of the tracker of a device."""
    return dm.ask(name, 'cbt_list').split(',')[0]


def query(name, length, first, last):
    """Milliseconds that the kernel took, and (start, sectors) of all that has changed."""
    uuid, pos, runs, took = tracker(name), 0, [], 0
    last = last if last == 'now' else '%s/%d' % (uuid, last)
    while True:
        start = time.monotonic()
        answer = dm.ask(name, 'cbt_query %s/%d %s %d %d' % (uuid, first, last, pos, length - pos))
        took += (time.monotonic() - start) * 1000
        *items, end = answer.split()
        runs += [tuple(map(int, i.split('+'))) for i in items]
        if end == 'end':
            return took, runs
        pos = int(end.removeprefix('next='))
