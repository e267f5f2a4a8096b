# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the targets live: RAM disks of a guest, or slices of real devices."""

import os

from . import dm

MIB = 1 << 20


def fill(path, size=None):
    """Writes zeroes everywhere: what a RAM disk costs to grow is not the target's."""
    size = size or sectors(path) * 512
    block = bytes(MIB)
    with open(path, 'r+b', buffering=0) as f:
        for _ in range(size // MIB):
            f.write(block)
        os.fsync(f.fileno())
    with open('/proc/sys/vm/drop_caches', 'w') as f:
        f.write('1')


def wipe(path):
    """Blank, as far as a target looks before it formats."""
    with open(path, 'r+b', buffering=0) as f:
        f.write(bytes(64 * 1024))
        os.fsync(f.fileno())


def sectors(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.lseek(fd, 0, os.SEEK_END) // 512
    finally:
        os.close(fd)


class TooSmall(Exception):
    """A real device."""


class RamDisks:
    """null_blk devices that keep what is written to them."""

    ROOT = '/sys/kernel/config/nullb'

    def __init__(self):
        os.system('modprobe null_blk nr_devices=0')
        self.names = []

    def disk(self, name, size, filled=True, block=512):
        place = os.path.join(self.ROOT, name)
        os.mkdir(place)
        self.names.append(name)
        for key, value in (('size', size // MIB), ('memory_backed', 1), ('queue_mode', 2),
                           ('irqmode', 0), ('blocksize', block), ('submit_queues', 2),
                           ('completion_nsec', 0), ('power', 1)):
            with open(os.path.join(place, key), 'w') as f:
                f.write(str(value))
        with open(os.path.join(place, 'index')) as f:
            path = '/dev/nullb' + f.read().strip()
        if not os.path.exists(path):
            path = '/dev/' + name
        if filled:
            fill(path)
        return path

    def remove_all(self):
        for name in reversed(self.names):
            os.rmdir(os.path.join(self.ROOT, name))
        self.names = []


class Slices:
    """Pieces of two real devices, by dm-linear: bases from one, all else from the other."""

    def __init__(self, base, store):
        self.free = {base: 0, store: 0}
        self.base, self.store = base, store
        self.names = []

    def disk(self, name, size, filled=True, block=None):
        device = self.base if name.startswith('base') else self.store
        start, length = self.free[device], size // 512
        if start + length > sectors(device):
            raise TooSmall('%s is too small: %d MiB are needed' %
                           (device, (start + length) // 2048))
        self.free[device] = start + length
        path = dm.create('redo-bench-' + name, 'linear', length, '%s %d' % (device, start))
        self.names.append('redo-bench-' + name)
        fill(path) if filled else wipe(path)
        return path

    def remove_all(self):
        for name in reversed(self.names):
            dm.remove(name)
        self.names = []
        self.free = {self.base: 0, self.store: 0}
