#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the corpora of the fuzz targets from the deltas in <directory>/delta:
#	<directory>/block	each metadata block, behind a byte that says of what kind
#	<directory>/text	what the kernel and a user may say
#	<directory>/chains	a straight chain, and a forked one
#
# Usage: corpus.py DIRECTORY

import hashlib
import os
import sys

BLOCK = 4096
KIND = {b'RDSB': 0, b'RDLB': 1, b'RDUN': 2, b'RDDR': 4, b'RDLF': 4, b'RDAL': 4,
        b'RDJR': 5}
ID = b'4e0b3c0e-8a5e-4c8e-9d0a-0123456789ab'
STATUS = (b'rw 2 8 4 2 100 7 3 5/1024 ok 10 5 2 '
          b'4e0b3c0e-8a5e-4c8e-9d0a-0123456789ab')
TEXTS = (b'\0' + STATUS, b'\0Fail', b'\0passthrough 0 0 0 0 0 0 0 0/0 ok 0 0 0 -',
         b'\x010+8 64+128 end', b'\x010+8 next=4096',
         b'\x027:0 2 7:1 7:2 3 error_if_no_space low_water 4', b'\x03monday',
         b'\0' + STATUS + b' none - - - 0/0 0 100% - ok ' + ID + b'/3 402/4096',
         b'\x04' + ID + b',128,7 3,1764140000,enable,1,- 7,1764150000,mark,4,x end',
         b'\x04' + ID + b',8,9 3,1,snapshot,3,a=b next=4', b'\x05' + ID + b'/17',
         b'\x065 low_water 3 cbt 253:5 hold_merge', b'\x061 no_cbt', b'\x07nightly')


def put(directory, data):
    os.makedirs(directory, exist_ok=True)
    name = hashlib.sha1(data).hexdigest()
    with open(os.path.join(directory, name), 'wb') as f:
        f.write(data)


def blocks(path):
    with open(path, 'rb') as f:
        data = f.read()
    for at in range(16, len(data), 8 + BLOCK):
        yield data[at + 8:at + 8 + BLOCK]


def main(top):
    for name in os.listdir(os.path.join(top, 'delta')):
        for block in blocks(os.path.join(top, 'delta', name)):
            kind = KIND[block[:4]]
            put(os.path.join(top, 'block'), bytes([kind]) + block)
            if kind == 4:
                put(os.path.join(top, 'block'), b'\x03' + block)
    for text in TEXTS:
        put(os.path.join(top, 'text'), text)
    put(os.path.join(top, 'chains'),
        b''.join(bytes([i, i, 0, i, 3 if i < 3 else 2, i, 0x11, i]) for i in range(4)))
    put(os.path.join(top, 'chains'),
        b''.join(bytes([i, max(i, 1), 0, i, 3, i, 0x11, 8 * i]) for i in range(4)))


main(sys.argv[1])
