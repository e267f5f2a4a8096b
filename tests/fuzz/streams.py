#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Backup streams as Documentation/backup-stream.rst has them, made without libredo: seeds
# for the fuzz target, and a second opinion for the tests.
#
# Usage: streams.py DIRECTORY		writes full.stream, increment.stream, both.stream

import os
import struct
import sys

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9e3779b185ebca87, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9,
                      0x85ebca77c2b2ae63, 0x27d4eb2f165667c5)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def rol(v, n):
    return (v << n | v >> 64 - n) & MASK


def lane(acc, word):
    return rol(acc + word * P2 & MASK, 31) * P1 & MASK


def xxh64(data):
    at, h = 0, P5
    if len(data) >= 32:
        acc = [P1 + P2 & MASK, P2, 0, -P1 & MASK]
        while len(data) - at >= 32:
            acc = [lane(a, w) for a, w in zip(acc, struct.unpack_from('<4Q', data, at))]
            at += 32
        h = sum(rol(a, n) for a, n in zip(acc, (1, 7, 12, 18))) & MASK
        for a in acc:
            h = (h ^ lane(0, a)) * P1 + P4 & MASK
    h = h + len(data) & MASK
    for form, size in (('<Q', 8), ('<I', 4), ('<B', 1)):
        while len(data) - at >= size:
            word, = struct.unpack_from(form, data, at)
            at += size
            if size == 8:
                h = rol(h ^ lane(0, word), 27) * P1 + P4 & MASK
            elif size == 4:
                h = rol(h ^ word * P1 & MASK, 23) * P2 + P3 & MASK
            else:
                h = rol(h ^ word * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


def sealed(body):
    return body + struct.pack('<I', crc32c(body))


def stream(disk_bytes, epoch, since, records, tracker=b'T' * 16, uuid=b'S' * 16):
    """records: (offset, data) or (offset, number of zeroes)"""
    head = struct.pack('<4s3IQIIQ16s16sQ16sQ24x128s128s128s128s380x', b'RDBS', 1, 1024,
                       1 if since else 0, disk_bytes, 65536, 0, 1700000000, uuid,
                       tracker if epoch else b'', epoch, tracker if since else b'', since,
                       b'web', b'tuesday', b'monday' if since else b'', b'alpha')
    out = sealed(head)
    totals = [0, 0]
    for n, (offset, what) in enumerate(records):
        is_data = isinstance(what, bytes)
        size = len(what) if is_data else what
        totals[not is_data] += size
        out += sealed(struct.pack('<4sIQQI', b'RDBD' if is_data else b'RDBZ',
                                  crc32c(what) if is_data else 0, offset, size, n))
        if is_data:
            out += what
    tail = struct.pack('<4sIQQQ16s', b'RDBE', 0, len(records), *totals, uuid)
    return out + sealed(tail + struct.pack('<QI', xxh64(out + tail), 0))


def main(directory):
    os.makedirs(directory, exist_ok=True)
    block = bytes(range(256)) * 2
    seeds = {
        'full': stream(16384, 7, 0, [(0, block), (512, 15360), (15872, block)]),
        'increment': stream(16384, 9, 7, [(512, block), (4096, 4096)]),
        'untracked': stream(512, 0, 0, [(0, 512)]),
    }
    seeds['both'] = seeds['full'] + seeds['increment']
    for name, data in seeds.items():
        with open(os.path.join(directory, name + '.stream'), 'wb') as f:
            f.write(data)


if __name__ == '__main__':
    main(sys.argv[1])
