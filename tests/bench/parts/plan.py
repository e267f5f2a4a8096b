# SPDX-License-Identifier: GPL-2.0-or-later
"""The jobs of the benchmark, group by group; a group makes its targets and drops them."""

import fnmatch
import os

from . import chains, dm, jobs, moments, targets
from .disks import MIB, TooSmall, wipe
from .turns import measure


class Plan:
    def __init__(self, disks, rounds, scratch, wanted, times, quick=False):
        self.disks, self.rounds, self.scratch = disks, rounds, scratch
        self.wanted, self.times, self.quick = wanted, times, quick

    def wants(self, job):
        return any(fnmatch.fnmatch(job, p) for p in self.wanted)

    def group(self, names, run):
        """Runs @run with those of the jobs @names that are wanted, if any."""
        names = [n for n in names if self.wants(n)]
        if not names:
            return
        self.rounds.show('--- ' + ', '.join(names))
        try:
            run(names)
        except TooSmall as e:
            self.rounds.show('left out: %s' % e)
        finally:
            self.disks.remove_all()

    def each(self, job, group, make_run, unit='IOPS', factor=1, fresh=False):
        for turn in range(self.times):
            measure(group, job, make_run, self.scratch, self.rounds, turn, unit, factor, fresh)

    def peers(self, *classes):
        """Those of the classes that can be had here."""
        for c in classes:
            if c.there():
                yield c
            else:
                self.rounds.show('no %s here' % c.name)

    # --- 4 KiB on what is mapped ---

    MAPPED = {'randread-mapped': 'randread', 'overwrite-mapped': 'randwrite'}

    def mapped(self, cpus):
        """@cpus: (suffix of the job's name, CPUs)"""
        names = [job + suffix for job in self.MAPPED for suffix, _ in cpus]
        self.group(names, lambda names: self._mapped(names, cpus))

    def _mapped(self, names, cpus):
        size = chains.REGION
        depths = (1, 256) if self.quick else chains.DEPTHS
        all_chains = chains.Chains(self.disks, depths)
        all_chains.build()
        base = all_chains.chains[0].base
        group = [targets.Linear(self.disks, base, size)]
        # qcow2 is a process of its own: from two CPUs it would have half of them
        more = (targets.Qcow2,) if len(cpus) == 1 else ()
        for c in self.peers(targets.Snapshot, targets.Thin, *more):
            t = c(self.disks, base, size)
            t.fresh = False
            group.append(t)
        for t in group:
            t.make()
            if t.name != 'linear':
                targets.provision(t.node, size)
        group[1:1] = all_chains.chains
        all_chains.make()
        for c in all_chains.chains:	# its own region becomes the top delta's
            measure([c], 'fill', lambda t: jobs.rand4k(t.node, 'randwrite', t.own),
                    self.scratch, Nothing(), 0, '')
        for job, rw in self.MAPPED.items():
            for suffix, n in cpus:
                if job + suffix in names:
                    self.each(job + suffix, group, lambda t: jobs.rand4k(
                        t.node, rw, self._region(t, rw, size), n, io_size=24 * MIB // n))
        if 'randread-cold' in self.wanted_cold:
            self._cold(group[0], all_chains)
        for t in group:
            t.drop()

    @staticmethod
    def _region(t, rw, size):
        if not isinstance(t, chains.Chain):
            return 0, size
        return t.spread if rw == 'randread' else t.own

    # --- cold ---

    @property
    def wanted_cold(self):
        return ['randread-cold'] if self.wants('randread-cold') else []

    def _cold(self, linear, all_chains):
        """Nothing of the map, nor of the deltas' metadata, is in memory at the start."""
        group = [linear] + [c for c in all_chains.chains if c.depth in (1, 64, 256)]
        for turn in range(self.times):
            for t in group:
                all_chains.drop()
                if t is not linear:
                    t.make()
                measure([t], 'randread-cold', lambda t: jobs.rand4k(
                    t.node, 'randread', self._region(t, 'randread', chains.REGION),
                    io_size=4 * MIB), self.scratch, self.rounds, turn, 'IOPS')

    # --- first writes, and sequential ---

    def _fresh_group(self, size):
        base = self.disks.disk('base', size)
        group = [targets.Linear(self.disks, base, size), targets.Redo(self.disks, base, size)]
        for c in self.peers(targets.Snapshot, targets.SnapshotOrigin, targets.Thin,
                            targets.ThinExternal, targets.Qcow2):
            group.append(c(self.disks, base, size))
        return group

    def first_writes(self):
        self.group(['first-write'], lambda names: self._first_write(32 * MIB))
        self.group(['first-write-fsync'], lambda names: self._first_write_fsync(128 * MIB))

    def _first_write(self, size):
        group = self._fresh_group(size)
        self.each('first-write', group, lambda t: jobs.rand4k(
            t.node, 'randwrite', (0, size)), fresh=True)
        for t in group:
            t.drop()

    def _first_write_fsync(self, size):
        """One grain in eight: fio counts milliseconds, and few writes take few of them."""
        group = self._fresh_group(size)
        self.each('first-write-fsync', group, lambda t: jobs.rand4k(
            t.node, 'randwrite', (0, size), depth=1, fsync=1, io_size=size // 8), fresh=True)
        for t in group:
            t.drop()

    def sequential(self):
        self.group(['seq-first-write', 'seq-read'], self._sequential)

    def _sequential(self, names):
        size = 64 * MIB
        group = self._fresh_group(size)
        self.each('seq-first-write', group, lambda t: jobs.seq1m(
            t.node, 'write', (0, size)), 'MiB/s', fresh=True)
        if 'seq-read' in names:
            self.each('seq-read', group, lambda t: jobs.seq1m(
                t.node, 'read', (0, size), io_size=4 * size), 'MiB/s')
        for t in group:
            t.drop()

    # --- a chain without deltas ---

    PASSTHROUGH = {'passthrough-randread': 'randread', 'passthrough-randwrite': 'randwrite'}

    def passthrough(self):
        self.group(list(self.PASSTHROUGH), self._passthrough)

    def _passthrough(self, names):
        size = 64 * MIB
        linear = targets.Linear(self.disks, None, size)
        through = targets.Passthrough(self.disks, linear.own, size)
        group = [linear, through]
        for t in group:
            t.make()
        for job in names:
            self.each(job, group, lambda t: jobs.rand4k(
                t.node, self.PASSTHROUGH[job], (0, size), io_size=32 * MIB))
        for t in group:
            t.drop()

    # --- moments ---

    WINDOWS = {'snapshot-window-empty': 0, 'snapshot-window-million': moments.GRAINS}
    LARGE = 255

    def windows(self):
        self.group(list(self.WINDOWS), self._windows)

    def _windows(self, names):
        length = moments.BASE // 512
        base = self.disks.disk('base-wide', moments.BASE, filled=False, block=4096)
        lower = [self.disks.disk('lower%d' % i, 32 * MIB, filled=False)
                 for i in range(self.LARGE - 1)]
        stack_empty(base, length, lower)
        top = moments.Store(self.disks, 'store', moments.STORE)
        fresh = self.disks.disk('fresh', 32 * MIB)
        for job in names:
            for _ in range(self.times):
                moments.linear_window(self.rounds, job, base, length)
                for deltas in [top.path], lower + [top.path]:
                    moments.redo_window(self.rounds, job, base, length, deltas, fresh,
                                        self.WINDOWS[job], self.scratch)
        top.remove()

    def map_size(self):
        self.group(['activation', 'memory-per-grain-dense', 'memory-per-grain-scattered',
                    'memory-per-grain-sequential'], self._map_size)

    def _map_size(self, names):
        budget = None
        if os.path.exists(moments.BUDGET):
            budget = moments.set_budget(4096)
        if set(names) & {'activation', 'memory-per-grain-sequential'}:
            self._million(names)
        if 'memory-per-grain-dense' in names:
            self._dense()
        if 'memory-per-grain-scattered' in names:
            self._scattered()
        if budget:
            moments.set_budget(budget)

    def _chain(self, base, length, delta, fill):
        """A chain whose one delta has been filled by @fill(node); its line."""
        wipe(delta)
        line = 'redo', length, '%s 1 %s' % (base, delta)
        fill(dm.create('bench-fill', *line))
        dm.remove('bench-fill')
        return line

    def _million(self, names):
        base = self.disks.disk('base-wide', moments.BASE, filled=False, block=4096)
        store = moments.Store(self.disks, 'store', moments.STORE)
        length = moments.BASE // 512
        line = self._chain(base, length, store.path, lambda node: moments.fill_grains(
            node, moments.GRAINS, self.scratch))
        for _ in range(self.times):
            if 'activation' in names:
                moments.activation(self.rounds, 'activation', 'linear', 0,
                                   ('linear', length, base + ' 0'))
                moments.activation(self.rounds, 'activation', 'redo', 1, line)
            if 'memory-per-grain-sequential' in names:
                moments.memory(self.rounds, 'memory-per-grain-sequential', line,
                               range(0, moments.GRAINS, moments.PER_LEAF), moments.GRAINS)
        store.remove()

    def _dense(self):
        size = 512 * MIB
        base = self.disks.disk('base-dense', size, filled=False, block=4096)
        store = moments.Store(self.disks, 'dense', size + 128 * MIB)
        line = self._chain(base, size // 512, store.path, lambda node: moments.fill_grains(
            node, size // moments.GRAIN, self.scratch, 'randwrite', '4k'))
        for _ in range(self.times):
            moments.memory(self.rounds, 'memory-per-grain-dense', line,
                           range(0, size // moments.GRAIN, moments.PER_LEAF),
                           size // moments.GRAIN)
        store.remove()

    def _scattered(self):
        """The worst case: one grain of each leaf."""
        base = self.disks.disk('base-scattered', moments.WIDE, filled=False, block=4096)
        store = moments.Store(self.disks, 'scattered', 256 * MIB)
        grains = range(7, moments.WIDE // moments.GRAIN, moments.PER_LEAF)
        line = self._chain(base, moments.WIDE // 512, store.path,
                           lambda node: chains.write_grains(node, grains))
        for _ in range(self.times):
            moments.memory(self.rounds, 'memory-per-grain-scattered', line, grains, len(grains))
        store.remove()


class Nothing:
    """Takes what need not be kept."""

    def add(self, *what):
        pass


def stack_empty(base, length, deltas):
    """Snapshot after snapshot with nothing written in between."""
    name = 'bench-stack'
    for n in range(1, len(deltas) + 1):
        line = 'redo', length, '%s %d %s' % (base, n, ' '.join(deltas[:n]))
        if n == 1:
            wipe(deltas[0])
            dm.create(name, *line)
        else:
            wipe(deltas[n - 1])
            dm.load(name, *line)
            dm.resume(name)
    dm.remove(name)
