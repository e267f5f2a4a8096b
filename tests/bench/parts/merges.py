# SPDX-License-Identifier: GPL-2.0-or-later
"""The jobs with merges."""

import os
import time

from . import dm, fio, jobs, mergers
from .disks import MIB, fill
from .layers import Shape, verify

META = 48 * MIB			# of a layer's disk: units for metadata, and one's rest
DEPTHS = (1, 4, 16)
QUICK_DEPTHS = (1, 16)
LARGE = Shape(1024, 64 << 10)
SMALL = Shape(4096, 4 << 10)
WHOLE = Shape(64, MIB)		# for what is written to meanwhile
LONG = Shape(256, MIB)
THROTTLE = 20


def written(path):
    """Bytes that were written to a disk."""
    with open('/sys/class/block/%s/stat' % os.path.basename(os.path.realpath(path))) as f:
        return int(f.read().split()[6]) * 512


class Merges:
    def __init__(self, plan):
        self.plan, self.rounds, self.scratch = plan, plan.rounds, plan.scratch

    def run(self):
        group = self.plan.group
        group(['delete-all', 'delete-all-bytes'], lambda names: self._delete_all(
            names, LARGE, QUICK_DEPTHS if self.plan.quick else DEPTHS))
        group(['delete-all-4k', 'delete-all-4k-bytes'], lambda names: self._delete_all(
            names, SMALL, DEPTHS[:2]))
        group(['merge-foreground'], lambda names: self._foreground())
        group(['merge-stall'], lambda names: self._stall())

    def _disks(self, shape, depth):
        disk = self.plan.disks.disk
        base = disk('base', shape.size)
        return base, [disk('layer%d' % n, shape.size + META, filled=False)
                      for n in range(depth)]

    # --- how fast, and how much is written ---

    def _delete_all(self, names, shape, depths):
        base, stores = self._disks(shape, max(depths))
        those = [c(base, stores, shape) for c in self.plan.peers(*mergers.ALL)]
        for depth in depths:
            group = [m for m in those if m.takes(depth)]
            for turn in range(self.plan.times):
                turn %= len(group)
                for m in group[turn:] + group[:turn]:
                    self._once(names, m, base, depth)

    def _once(self, names, m, base, depth):
        shape, layers = m.shape, m.shape.layers(depth)
        fill(base)
        m.prepare(layers)
        before = written(base)
        seconds = m.seconds()
        count = written(base) - before
        if m.name != 'copy':
            verify(base, shape, layers)
        m.drop()
        job = min(names, key=len).removesuffix('-bytes')
        if job in names:
            self.rounds.add(job, m.name, depth, shape.size / MIB / seconds, 'MiB/s')
        if job + '-bytes' in names:
            self.rounds.add(job + '-bytes', m.name, depth, count / shape.size, 'of distinct')

    # --- who writes meanwhile ---

    def _writer(self, node, shape, **more):
        return jobs.rand4k(node, 'randwrite', (0, shape.size), time_based=1, **more)

    def _foreground(self):
        """All of fio's time is inside the merge."""
        base, stores = self._disks(LONG, 4)
        for _ in range(self.plan.times):
            for depth in 1, 4:
                chain = mergers.Redo(base, stores, LONG)
                chain.prepare(LONG.layers(depth))
                run = self._writer(chain.node, LONG, runtime=1)
                fio.measure(run, self.scratch)	# what is looked up once is in memory then
                without = fio.measure(run, self.scratch)
                dm.message(chain.dm_name, 'merge_throttle %d' % THROTTLE)
                chain.begin()
                during = fio.measure(run, self.scratch)
                state = chain.state()
                chain.drop()
                if state != 'running':
                    raise RuntimeError('the merge is %s before fio is over' % state)
                self.rounds.add('merge-foreground', 'no-merge', depth, without, 'IOPS')
                self.rounds.add('merge-foreground', 'redo', depth, during, 'IOPS')

    def _stall(self):
        """The active delta is merged, at full speed: into the base, and into another one."""
        base, stores = self._disks(WHOLE, 2)
        for _ in range(self.plan.times):
            for depth in 1, 2:
                chain = mergers.Redo(base, stores, WHOLE)
                chain.prepare(WHOLE.layers(1) * depth)
                run = self._writer(chain.node, WHOLE, depth=16, runtime=600, lat_percentiles=1,
                                   clat_percentiles=0)
                fio.around(run, self.scratch, lambda: time.sleep(0.3))
                self._latency('no-merge', depth, run, lambda: time.sleep(0.3))
                self._latency('redo', depth, run, lambda: self._merge_top(chain))
                chain.drop()

    @staticmethod
    def _merge_top(chain):
        dm.message(chain.dm_name, 'merge ' + chain.uuids[-1])
        mergers.wait_merge(chain.dm_name)

    def _latency(self, target, depth, run, meanwhile):
        """From before the beginning of @meanwhile until after its end."""
        lat = fio.around(run, self.scratch, meanwhile)['write']['lat_ns']
        figures = {'p50': lat['percentile']['50.000000'], 'p99': lat['percentile']['99.000000'],
                   'max': lat['max']}
        figures = {name: ns / 1e6 for name, ns in figures.items()}
        self.rounds.add('merge-stall', target, depth, figures['max'], 'ms', **figures)
