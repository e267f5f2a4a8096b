# SPDX-License-Identifier: GPL-2.0-or-later
"""
What is not a rate: how long a snapshot keeps I/O waiting, how long a chain takes to
start, and what its map takes of memory.  With a million grains, on disks that keep
no zeroes, since nothing but their place matters.
"""

import mmap
import os
import time

from . import dm, fio
from .chains import GRAIN
from .disks import MIB, wipe

GRAINS = 1000000
BASE = 4096 * MIB		# 1048576 grains
WIDE = 32 * 1024 * MIB		# for one grain a leaf
PER_LEAF = 504			# grains of a leaf
PER_DIRECTORY = 512		# leaves of a directory
STATUS_LEAVES = 10		# word of the status line, from 0
STORE = 5 * 1024 * MIB
BUDGET = '/sys/module/dm_redo/parameters/budget'


class Store:
    """A disk that takes no memory for zeroes: zram in a guest, the given device on a host."""

    def __init__(self, disks, name, size):
        self.hot = None
        if not hasattr(disks, 'ROOT'):
            self.path = disks.disk(name, size, filled=False)
            return
        os.system('modprobe zram num_devices=0')
        with open('/sys/class/zram-control/hot_add') as f:
            self.hot = f.read().strip()
        with open('/sys/block/zram%s/disksize' % self.hot, 'w') as f:
            f.write(str(size))
        self.path = '/dev/zram' + self.hot

    def remove(self):
        if self.hot:
            with open('/sys/block/zram%s/reset' % self.hot, 'w') as f:
                f.write('1')
            with open('/sys/class/zram-control/hot_remove', 'w') as f:
                f.write(self.hot)


def fill_grains(node, count, scratch, rw='write', bs='1m'):
    """The first grains: in one run, or with 4 KiB writes in any order."""
    fio.measure(fio.Run(node, rw=rw, bs=bs, iodepth=32, size=count * GRAIN, zero_buffers=1,
                        end_fsync=1), scratch)


# --- the snapshot window ---

def window(name, line):
    """Milliseconds from suspend to resume with a new table; it was loaded before."""
    dm.load(name, *line)
    start = time.monotonic()
    dm.suspend(name)
    dm.resume(name)
    return (time.monotonic() - start) * 1000


def linear_window(rounds, job, disk, length):
    line = 'linear', length, disk + ' 0'
    dm.create('bench-window', *line)
    try:
        rounds.add(job, 'linear', 0, window('bench-window', line), 'ms')
    finally:
        dm.remove('bench-window')


def redo_window(rounds, job, base, length, deltas, fresh, grains, scratch):
    """A snapshot of the chain of @deltas, of which the last gets its grains first."""
    def line(n):
        return 'redo', length, '%s %d %s' % (base, n, ' '.join((deltas + [fresh])[:n]))

    wipe(deltas[-1])
    wipe(fresh)
    node = dm.create('bench-window', *line(len(deltas)))
    try:
        if grains:
            fill_grains(node, grains, scratch)
        rounds.add(job, 'redo', len(deltas), window('bench-window', line(len(deltas) + 1)), 'ms')
    finally:
        dm.remove('bench-window')


# --- activation ---

def activation(rounds, job, target, depth, line):
    start = time.monotonic()
    dm.create('bench-start', *line)
    rounds.add(job, target, depth, time.monotonic() - start, 's')
    dm.remove('bench-start')


# --- memory ---

def _leaf_bytes():
    """What the allocator takes for a leaf, its share of what is left over included."""
    value = {}
    for name in ('order', 'objs_per_slab'):
        with open('/sys/kernel/slab/redo_leaf/' + name) as f:
            value[name] = int(f.read())
    return (os.sysconf('SC_PAGESIZE') << value['order']) / value['objs_per_slab']


def _map_bytes(name, grains):
    """The merged map: leaves that are resident, directories, and the array of these."""
    leaves = int(dm.status(name).split()[STATUS_LEAVES])
    directories = max(grains) // PER_LEAF // PER_DIRECTORY + 1
    return leaves * _leaf_bytes() + directories * (4096 + 8)


def touch(node, grains):
    fd = os.open(node, os.O_RDONLY | os.O_DIRECT)
    buf = mmap.mmap(-1, GRAIN)
    try:
        for grain in grains:
            os.preadv(fd, [buf], grain * GRAIN)
    finally:
        os.close(fd)


def memory(rounds, job, line, grains, count):
    """Bytes of the merged map for each of @count grains, once @grains have been read."""
    node = dm.create('bench-memory', *line)
    try:
        touch(node, grains)
        rounds.add(job, 'redo', 1, _map_bytes('bench-memory', grains) / count, 'B/grain')
    finally:
        dm.remove('bench-memory')


def set_budget(mib):
    """What the map may take, so that nothing is evicted meanwhile; returns what it was."""
    with open(BUDGET) as f:
        old = f.read().strip()
    with open(BUDGET, 'w') as f:
        f.write(str(mib))
    return old
