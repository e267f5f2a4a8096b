# SPDX-License-Identifier: GPL-2.0-or-later
"""
The targets that are compared.  Each has disks of its own for what it stores, and
is made anew over them as often as a job wants it fresh.

make() gives the device; the targets that have a content below take it from the
disk `base`, which nobody changes.
"""

import os
import shutil
import subprocess
import time

from . import dm
from .disks import MIB, sectors, wipe

THIN_CHUNK = 128	# sectors: 64 KiB
COW_CHUNK = 8		# sectors: 4 KiB


class Target:
    name = ''
    depth = 0

    def __init__(self, disks, base, size):
        self.base, self.size, self.length = base, size, size // 512
        self.dm_name = 'bench-%s-%s' % (self.name, self.depth)
        self.node = None
        self.place(disks)

    def place(self, disks):
        """Makes the disks."""

    def make(self):
        """Fresh, with nothing written to it yet."""
        self.node = dm.create(self.dm_name, *self.line())
        return self.node

    def drop(self):
        if self.node:
            self.node = None
            dm.remove(self.dm_name)

    @classmethod
    def there(cls):
        """Can it be had here?"""
        return dm.have(cls.name)


class Linear(Target):
    """What all others are measured against; writes to a disk of its own."""
    name = 'linear'

    def place(self, disks):
        self.own = disks.disk('base-linear', self.size)

    def line(self):
        return 'linear', self.length, '%s 0' % self.own


class Redo(Target):
    """A chain with one delta."""
    name = 'redo'
    depth = 1

    def place(self, disks):
        # one unit for metadata, and some grains of each unit are its header
        self.delta = disks.disk('delta', self.size + 3 * 16 * MIB)

    def line(self):
        wipe(self.delta)
        return 'redo', self.length, '%s 1 %s' % (self.base, self.delta)


class Passthrough(Target):
    """A chain without deltas, over linear's own disk."""
    name = 'redo'

    def __init__(self, disks, base, size):
        super().__init__(disks, base, size)
        self.dm_name = 'bench-passthrough'

    def line(self):
        return 'redo', self.length, '%s 0' % self.base


class Snapshot(Target):
    """dm-snapshot: writes go to the snapshot, which is on disk (P)."""
    name = 'snapshot'
    depth = 1

    def place(self, disks):
        self.cow = disks.disk('cow', self.size + self.size // 16 + 16 * MIB)

    def line(self):
        wipe(self.cow)
        return 'snapshot', self.length, '%s %s P %d' % (self.base, self.cow, COW_CHUNK)


class SnapshotOrigin(Target):
    """dm-snapshot as lvm2 uses it: writes go to the origin, old content is copied away."""
    name = 'snapshot-origin'
    depth = 1

    def place(self, disks):
        self.own = disks.disk('base-origin', self.size)
        self.cow = disks.disk('cow-origin', self.size + self.size // 16 + 16 * MIB)

    def make(self):
        wipe(self.cow)
        self.node = dm.create(self.dm_name, 'snapshot-origin', self.length, self.own)
        dm.create('bench-cow', 'snapshot', self.length,
                  '%s %s P %d' % (self.own, self.cow, COW_CHUNK))
        return self.node

    def drop(self):
        if self.node:
            dm.remove('bench-cow')
        super().drop()

    @classmethod
    def there(cls):
        return dm.have('snapshot')


class Thin(Target):
    """dm-thin: the device has been written in full, then an internal snapshot was made."""
    name = 'thin'
    depth = 1
    feature = '0'
    fresh = True		# False: provisioned and not shared

    def place(self, disks):
        self.meta = disks.disk(self.name + '-meta', 32 * MIB)
        self.data = disks.disk(self.name + '-data', 2 * self.size + 4 * MIB)
        self.pool = 'bench-%s-pool' % self.name

    def _pool(self):
        wipe(self.meta)
        node = dm.create(self.pool, 'thin-pool', sectors(self.data),
                         '%s %s %d 0 1 skip_block_zeroing' % (self.meta, self.data, THIN_CHUNK))
        dm.message(self.pool, 'create_thin 0')
        return node

    def make(self):
        pool = self._pool()
        self.node = dm.create(self.dm_name, 'thin', self.length, pool + ' 0')
        provision(self.node, self.size)
        if self.fresh:
            dm.suspend(self.dm_name)
            dm.message(self.pool, 'create_snap 1 0')
            dm.resume(self.dm_name)
        return self.node

    def drop(self):
        if self.node:
            super().drop()
            dm.remove(self.pool)


class ThinExternal(Thin):
    """dm-thin with nothing in it, over an external origin."""
    name = 'thin-external'

    def make(self):
        pool = self._pool()
        self.node = dm.create(self.dm_name, 'thin', self.length, '%s 0 %s' % (pool, self.base))
        return self.node

    @classmethod
    def there(cls):
        return dm.have('thin')


class Qcow2(Target):
    """A qcow2 overlay over the base, as a block device through qemu-nbd."""
    name = 'qcow2'
    depth = 1
    port = '/dev/nbd0'

    def place(self, disks):
        self.image = disks.disk('qcow2', self.size + 32 * MIB)

    def make(self):
        wipe(self.image)
        run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', self.base, '-F', 'raw',
            self.image, str(self.size))
        run('qemu-nbd', '--connect=' + self.port, '--format=qcow2', '--cache=none',
            '--aio=native', '--discard=unmap', self.image)
        for _ in range(100):
            if sectors(self.port) == self.length:
                break
            time.sleep(0.1)
        self.node = self.port
        return self.node

    def drop(self):
        if self.node:
            self.node = None
            run('qemu-nbd', '--disconnect', self.port)

    @classmethod
    def there(cls):
        if not shutil.which('qemu-nbd') or not shutil.which('qemu-img'):
            return False
        os.system('modprobe -q nbd nbds_max=1 2> /dev/null')
        return os.path.exists(cls.port)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def provision(node, size):
    """Writes all of it, from start to end."""
    block = bytes(MIB)
    with open(node, 'r+b', buffering=0) as f:
        for _ in range(size // MIB):
            f.write(block)
        os.fsync(f.fileno())
