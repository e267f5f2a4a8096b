# SPDX-License-Identifier: GPL-2.0-or-later
"""
Who merges layers into a base, one at a time: they share the base and the disks of the
layers.  prepare() writes the layers, merge() is what is timed.
"""

import os
import shutil
import subprocess
import time

from . import dm
from .disks import fill, wipe
from .layers import copy, write_layer
from .targets import COW_CHUNK, run

UUID, MERGE = 13, 14		# words of the status line, from 0
SETTLE = 1.5			# seconds: what a snapshot leaves for later is done then


class Merger:
    name = ''
    deepest = None		# None: any depth
    shallowest = 1

    def __init__(self, base, stores, shape):
        self.base, self.stores, self.shape = base, stores, shape
        self.length = shape.size // 512
        self.dm_name = 'bench-' + self.name

    def takes(self, depth):
        return depth >= self.shallowest and (self.deepest is None or depth <= self.deepest)

    def seconds(self):
        start = time.monotonic()
        self.merge()
        return time.monotonic() - start

    def drop(self):
        dm.remove(self.dm_name)

    @classmethod
    def there(cls):
        return True


def wait_merge(name):
    """Until the chain's merge is over."""
    while True:
        seen = dm.events(name)
        word = dm.status(name).split()[MERGE]
        if word == 'done':
            return
        if word != 'running':
            raise RuntimeError('the merge is %s: %s' % (word, dm.status(name)))
        dm.wait(name, seen)


class Redo(Merger):
    """All at once."""
    name = 'redo'

    def prepare(self, layers):
        self.uuids = []
        for n in range(len(layers)):
            wipe(self.stores[n])
            line = 'redo', self.length, '%s %d %s' % (self.base, n + 1,
                                                      ' '.join(self.stores[:n + 1]))
            if n:
                dm.load(self.dm_name, *line)
                dm.resume(self.dm_name)
            else:
                self.node = dm.create(self.dm_name, *line)
            self.uuids.append(dm.status(self.dm_name).split()[UUID])
            write_layer(self.node, self.shape, layers, n)
        time.sleep(SETTLE)

    def begin(self):
        dm.message(self.dm_name, 'merge_all')

    def merge(self):
        self.begin()
        wait_merge(self.dm_name)

    def state(self):
        return dm.status(self.dm_name).split()[MERGE]


class RedoOneByOne(Redo):
    """The same, each delta into the base, from the oldest to the active one."""
    name = 'redo-one-by-one'
    shallowest = 2

    def merge(self):
        for uuid in self.uuids:
            dm.message(self.dm_name, 'merge ' + uuid)
            wait_merge(self.dm_name)


class Copy(Merger):
    """As many bytes from one disk to another, in one piece."""
    name = 'copy'

    def prepare(self, layers):
        fill(self.stores[0], self.shape.size)

    def merge(self):
        copy(self.stores[0], self.base, self.shape.size)

    def drop(self):
        pass


class SnapshotMerge(Merger):
    """dm-snapshot's: one layer."""
    name = 'snapshot-merge'
    deepest = 1

    def _line(self, kind):
        return kind, self.length, '%s %s P %d' % (self.base, self.stores[0], COW_CHUNK)

    def prepare(self, layers):
        wipe(self.stores[0])
        write_layer(dm.create(self.dm_name, *self._line('snapshot')), self.shape, layers, 0)

    def merge(self):
        start = time.monotonic()
        dm.load(self.dm_name, *self._line('snapshot-merge'))
        dm.suspend(self.dm_name)
        dm.resume(self.dm_name)
        while not self._over():	# there is no event for it
            time.sleep((time.monotonic() - start) / 50)

    def _over(self):
        taken, metadata = dm.status(self.dm_name).split()
        return int(taken.split('/')[0]) <= int(metadata)

    @classmethod
    def there(cls):
        return dm.have('snapshot-merge')


class Qcow2Commit(Merger):
    """qemu-img commit, without what it takes to start it: from its 0 % to its 100 %."""
    name = 'qcow2'

    def _create(self, n, below, kind):
        wipe(self.stores[n])
        run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', below, '-F', kind, self.stores[n],
            str(self.shape.size))

    def prepare(self, layers):
        self._create(0, self.base, 'raw')
        self.top = self.stores[0]
        self.merge()	# nothing; the program has been read then
        self._create(0, self.base, 'raw')
        for n, runs in enumerate(layers):
            if n:
                self._create(n, self.stores[n - 1], 'qcow2')
            writes = ''.join('write -q -P %d %d %d\n' % (n + 1, self.shape.offset(r), self.shape.run)
                             for r in runs)
            subprocess.run(['qemu-io', '-n', '-f', 'qcow2', self.stores[n]], input=writes, text=True,
                           check=True, stdout=subprocess.DEVNULL)
        self.top = self.stores[len(layers) - 1]

    def merge(self):
        """Seconds."""
        p = subprocess.Popen(['qemu-img', 'commit', '-p', '-t', 'none', '-f', 'qcow2', '-b',
                              self.base, self.top], stdout=subprocess.PIPE)
        said, start = b'', None
        while b'(100.00/100%)' not in said:
            piece = os.read(p.stdout.fileno(), 4096)
            start = start or time.monotonic()
            said += piece
            if not piece:
                break
        seconds = time.monotonic() - start
        p.communicate()
        if p.returncode or b'(100.00/100%)' not in said:
            raise RuntimeError('qemu-img commit: status %d' % p.returncode)
        return seconds

    def seconds(self):
        return self.merge()

    def drop(self):
        pass

    @classmethod
    def there(cls):
        return bool(shutil.which('qemu-img') and shutil.which('qemu-io'))


ALL = Redo, RedoOneByOne, Copy, SnapshotMerge, Qcow2Commit
