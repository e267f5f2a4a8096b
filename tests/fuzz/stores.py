#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes seeds of the fuzz targets from the description of a tracking store, without libredo:
#	<directory>/store	a store just formatted, and one with bitmaps and a journal
#	<directory>/block	their blocks
#
# Usage: stores.py DIRECTORY

import hashlib
import os
import struct
import sys

BLOCK = 4096
UUID = bytes(range(1, 17))
KIND = {b'RDCT': 6, b'RDCS': 7, b'RDCE': 8, b'RDCD': 9, b'RDCP': 9, b'RDCJ': 10}
DIR, TABLE, DATA = 272, 274, 402


def make_table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        yield n


CRC = list(make_table())


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = CRC[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def sealed(magic, blocknr, body, generation=0, place=0, level=0, count=0, incarnation=0, size=BLOCK):
    """A block with its header; body is what follows the 64 bytes."""
    rest = (UUID + struct.pack('<QQQHHIQ', blocknr, generation, place, level, 0, count,
                               incarnation) + body).ljust(size - 8, b'\0')
    return (magic + struct.pack('<I', crc32c(rest)) + rest).ljust(BLOCK, b'\0')


def pointer(blocknr, generation=2):
    return 1 << 60 | generation << 48 | blocknr


def superblock(slot, generation, flags, epoch, root, records, base=0):
    body = struct.pack('<IIQQQQIIQQQ16sQ16sQQIIQQQQQ', 1, flags, 0, 0, 0, 64 << 20, 128, 0, epoch, 1,
                       base, bytes(16), 0, bytes(16), root, 16, 256, 0, 1, 1, 4, 1764140000, records)
    return sealed(b'RDCS', 1 + slot, body, generation=generation, incarnation=77, size=512)


def record(number, first, root, count, flags=0, delta=bytes(16), label=b''):
    soft = number if flags & 4 else first
    return struct.pack('<QQQQQIIQQ16s64s', number, first, soft, 0, 1764140000, 2, flags, root, count,
                       delta, label).ljust(248, b'\0')


def header():
    return sealed(b'RDCT', 0, struct.pack('<IIQ', 1, 0, 1764140000), count=128)


def node(magic, blocknr, words, level, place):
    body = [0] * 504
    for index, word in words.items():
        body[index] = word
    return sealed(magic, blocknr, struct.pack('<504Q', *body), generation=2, place=place, level=level)


def blank():
    return {0: header(), 1: superblock(0, 1, 1, 0, 0, 0)}


def filled():
    table = (record(3, 1, pointer(DATA), 5, flags=4) + record(4, 4, 2 << 60, 0, label=b'nightly') +
             record(5, 5, 0, 0, flags=1, delta=UUID))
    marks = struct.pack('<QQQQ', 5, 2, 1000, 1)
    return {
        0: header(), 2: superblock(1, 2, 0, 5, pointer(DIR), 3),
        DIR: node(b'RDCE', DIR, {0: pointer(TABLE)}, 1, 0),
        TABLE: sealed(b'RDCE', TABLE, table, generation=2),
        DATA: node(b'RDCD', DATA, {0: pointer(DATA + 1)}, 2, 0),
        DATA + 1: node(b'RDCD', DATA + 1, {0: pointer(DATA + 2), 2: 2 << 60}, 1, 0),
        DATA + 2: node(b'RDCP', DATA + 2, {0: 3, 1: 64, 503: 1 << 63}, 0, 0),
        17: sealed(b'RDCJ', 17, marks, generation=1, place=5, count=2, incarnation=77),
    }


def put(directory, data):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, hashlib.sha1(data).hexdigest()), 'wb') as f:
        f.write(data)


def main(top):
    for store in (blank(), filled()):
        image = struct.pack('<QQ', 0x315a4652, 600)
        for blocknr, data in store.items():
            image += struct.pack('<Q', blocknr) + data
            put(os.path.join(top, 'block'), bytes([KIND[data[:4]]]) + data)
        put(os.path.join(top, 'store'), image)


main(sys.argv[1])
