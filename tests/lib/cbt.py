#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What changed between two copies of a disk, against what a tracker says.
#
# Usage: cbt.py covers FILE FILE BLOCK_SECTORS [START+SECTORS]...
#	status 1, and the first blocks that are missing, if one that differs is in no range
#        cbt.py spoil FILE OFFSET	flip a byte

import sys


def blocks(ranges, size):
    found = set()
    for item in ranges:
        start, length = (int(n) for n in item.split('+'))
        found.update(range(start // size, (start + length + size - 1) // size))
    return found


def differing(one, two, size):
    number = 0
    with open(one, 'rb') as a, open(two, 'rb') as b:
        while True:
            x, y = a.read(size), b.read(size)
            if not x and not y:
                return
            if x != y:
                yield number
            number += 1


def main():
    if sys.argv[1] == 'covers':
        size = int(sys.argv[4])
        said = blocks(sys.argv[5:], size)
        missing = [n for n in differing(sys.argv[2], sys.argv[3], size << 9) if n not in said]
        if missing:
            print(len(missing), 'blocks:', *missing[:20])
            sys.exit(1)
    elif sys.argv[1] == 'spoil':
        with open(sys.argv[2], 'r+b') as f:
            f.seek(int(sys.argv[3]))
            byte = f.read(1)
            f.seek(int(sys.argv[3]))
            f.write(bytes([byte[0] ^ 0xff]))
    else:
        sys.exit('cbt.py: what is ' + sys.argv[1])


main()
