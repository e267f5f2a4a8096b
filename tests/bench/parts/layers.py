# SPDX-License-Identifier: GPL-2.0-or-later
"""
What is merged: overlapping layers over a base.  The lowest one has every run of a
disk, each of the others half of them, drawn at random; a layer's runs are written in any
order, so that what lies side by side on the disk seldom does in the layer.  Layer n holds
bytes of value n + 1.
"""

import mmap
import os
import random

from .disks import MIB


class Shape:
    def __init__(self, runs, run):
        self.runs, self.run, self.size = runs, run, runs * run

    def layers(self, depth):
        """The runs that each layer has, in the order in which they are written."""
        draw = random.Random(depth)
        return [draw.sample(range(self.runs), n)
                for n in [self.runs] + [self.runs // 2] * (depth - 1)]

    def offset(self, run):
        return run * self.run

    def content(self, layers):
        """(offset, bytes): the topmost copy of each run."""
        top = [0] * self.runs
        for n, runs in enumerate(layers):
            for run in runs:
                top[run] = n
        for run, n in enumerate(top):
            yield self.offset(run), bytes([n + 1]) * self.run


def write_layer(node, shape, layers, n):
    """Past the page cache, and flushed."""
    block = mmap.mmap(-1, shape.run)
    block.write(bytes([n + 1]) * shape.run)
    fd = os.open(node, os.O_RDWR | os.O_DIRECT)
    try:
        for run in layers[n]:
            os.pwrite(fd, block, shape.offset(run))
        os.fsync(fd)
    finally:
        os.close(fd)


def verify(base, shape, layers):
    """Has the base the topmost copy of everything?"""
    buf = mmap.mmap(-1, shape.run)
    fd = os.open(base, os.O_RDONLY | os.O_DIRECT)
    try:
        for offset, wanted in shape.content(layers):
            os.preadv(fd, [buf], offset)
            if buf[:] != wanted:
                raise RuntimeError('%s at %d: not what was merged' % (base, offset))
    finally:
        os.close(fd)


def copy(source, target, size):
    """As dd does with bs=1M iflag=direct oflag=direct conv=fsync."""
    buf = mmap.mmap(-1, MIB)
    read, write = os.open(source, os.O_RDONLY | os.O_DIRECT), os.open(target, os.O_RDWR | os.O_DIRECT)
    try:
        for offset in range(0, size, MIB):
            os.preadv(read, [buf], offset)
            os.pwrite(write, buf, offset)
        os.fsync(write)
    finally:
        os.close(read)
        os.close(write)
