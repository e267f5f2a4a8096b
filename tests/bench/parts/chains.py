# SPDX-License-Identifier: GPL-2.0-or-later
"""
Chains of several depths over one base. They share their lower deltas (as linked
clones do), each has a top delta of its own, and two regions: in the one the grains
are spread over all deltas of the chain, in turn; the other is in the top one.
"""

import mmap
import os

from . import dm
from .disks import MIB, wipe

GRAIN = 4096
DELTA_SIZE = 48 * MIB
DEPTHS = (1, 16, 64, 256)
REGION = 64 * MIB
BASE_SIZE = 2 * REGION * len(DEPTHS)


class Chain:
    name = 'redo'

    def __init__(self, depth, base, deltas, spread, own):
        self.depth, self.base, self.deltas = depth, base, deltas
        self.spread, self.own = spread, own	# regions: (offset, size)
        self.dm_name = 'bench-redo-%d' % depth
        self.node = None

    def line(self):
        return ('redo', BASE_SIZE // 512,
                '%s %d %s' % (self.base, len(self.deltas), ' '.join(self.deltas)))

    def make(self):
        """From what is on the disks."""
        self.node = dm.create(self.dm_name, *self.line())
        return self.node

    def drop(self):
        if self.node:
            self.node = None
            dm.remove(self.dm_name)


def write_grains(node, grains):
    """One grain at a time, past the page cache."""
    block = mmap.mmap(-1, GRAIN)
    block.write(b'redo' * (GRAIN // 4))
    fd = os.open(node, os.O_RDWR | os.O_DIRECT)
    try:
        for grain in grains:
            os.pwrite(fd, block, grain * GRAIN)
    finally:
        os.close(fd)


def _spread(chain, nth):
    """The grains of the chain's first region that its nth delta, from 0, holds."""
    offset, size = chain.spread
    return range(offset // GRAIN + nth, (offset + size) // GRAIN, chain.depth)


class Chains:
    """All of them, and their disks."""

    def __init__(self, disks, depths=DEPTHS):
        base = disks.disk('base-chains', BASE_SIZE)
        # nothing but the first blocks of a delta is looked at before they are written
        self.shared = [disks.disk('delta%d' % i, DELTA_SIZE, filled=False)
                       for i in range(max(depths) - 1)]
        self.chains = []
        for i, depth in enumerate(depths):
            top = disks.disk('top%d' % depth, 2 * REGION + DELTA_SIZE)
            self.chains.append(Chain(depth, base, self.shared[:depth - 1] + [top],
                                     (2 * i * REGION, REGION), ((2 * i + 1) * REGION, REGION)))

    def build(self):
        """Writes the lower deltas by one snapshot after another, then the tops."""
        largest = self.chains[-1]
        name, node = 'bench-build', None
        for n in range(len(self.shared)):
            line = ('redo', BASE_SIZE // 512,
                    '%s %d %s' % (largest.base, n + 1, ' '.join(self.shared[:n + 1])))
            if node is None:
                node = dm.create(name, *line)
            else:
                dm.load(name, *line)
                dm.resume(name)
            for chain in self.chains:
                if n < chain.depth - 1:
                    write_grains(node, _spread(chain, n))
        if node:
            dm.remove(name)
        for chain in reversed(self.chains):
            wipe(chain.deltas[-1])
            write_grains(chain.make(), _spread(chain, chain.depth - 1))

    def make(self):
        for chain in self.chains:
            if not chain.node:
                chain.make()

    def drop(self):
        for chain in self.chains:
            chain.drop()
