#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What makes memory short, and files that are written meanwhile. Each page is full of
# stamps of its place and of a seed, so that a lost or an old one is seen.
#
# Usage: pressure.py memory MIB STOP	holds so much memory and changes it, in random
#					order, until the file STOP is there
#        pressure.py write FILE MIB SEED	in random order, through the page cache
#        pressure.py check FILE MIB SEED

import mmap
import os
import random
import struct
import sys

PAGE = 4096
CHUNK = 256     # pages of memory that are changed at once: faster than they go to swap
PAGES_OF_MIB = (1 << 20) // PAGE
STAMP = struct.Struct('<QQ')    # a seed and the number of the page


def stamped(page, seed):
    return STAMP.pack(seed, page) * (PAGE // STAMP.size)


def same(found, page, seed, what):
    if found != stamped(page, seed):
        sys.exit('%s: page %d does not have seed %d; it begins with %s' %
                 (what, page, seed, found[:STAMP.size].hex()))


def memory(mib, stop):
    pages = int(mib) * PAGES_OF_MIB
    area = mmap.mmap(-1, pages * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    chunks = [range(i, min(i + CHUNK, pages)) for i in range(0, pages, CHUNK)]
    seeds = [0] * len(chunks)
    rng = random.Random(1)

    def check(n):
        for page in chunks[n] if seeds[n] else ():
            same(area[page * PAGE:(page + 1) * PAGE], page, seeds[n], 'memory')

    def change(n):
        seeds[n] += 1
        data = b''.join(stamped(page, seeds[n]) for page in chunks[n])
        area[chunks[n].start * PAGE:chunks[n].stop * PAGE] = data

    for n in range(len(chunks)):
        change(n)
    while not os.path.exists(stop):
        n = rng.randrange(len(chunks))
        check(n)
        change(n)
    for n in range(len(chunks)):
        check(n)
    print('%s MiB of memory, %d MiB changed' % (mib, sum(seeds) * CHUNK // PAGES_OF_MIB))


def write(path, mib, seed):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    order = list(range(int(mib) * PAGES_OF_MIB))
    random.Random(int(seed)).shuffle(order)
    for n, page in enumerate(order):
        os.pwrite(fd, stamped(page, int(seed)), page * PAGE)
        if n % 4096 == 4095:
            os.fsync(fd)
    os.close(fd)


def check(path, mib, seed):
    with open(path, 'rb') as f:
        for page in range(int(mib) * PAGES_OF_MIB):
            same(f.read(PAGE), page, int(seed), path)


{'memory': memory, 'write': write, 'check': check}[sys.argv[1]](*sys.argv[2:])
