#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What redosetup cbt says about changes, read by somebody else's code.

cbt-query.py json <file> <key>			one member of the answer
cbt-query.py blocks <file> <block bytes>	blocks of a JSON answer, as "0-3,7"
cbt-query.py bitmap <file> <blocks>		the same of a raw bitmap
cbt-query.py export <file>			checks a bitmap file against redosetup(8) and prints
						<chain> <since> <until|now> <block bytes> <disk bytes> <blocks>
"""
import json
import struct
import sys


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def spans(blocks):
    out = []
    for b in sorted(blocks):
        if out and out[-1][1] == b - 1:
            out[-1][1] = b
        else:
            out.append([b, b])
    return ','.join(str(a) if a == b else '%d-%d' % (a, b) for a, b in out)


def of_bits(bits, blocks):
    if len(bits) != (blocks + 7) // 8:
        sys.exit('%d bytes for %d blocks' % (len(bits), blocks))
    found = {n for n in range(8 * len(bits)) if bits[n // 8] >> n % 8 & 1}
    if found and max(found) >= blocks:
        sys.exit('bits beyond the last block')
    return found


def export(path):
    with open(path, 'rb') as f:
        data = f.read()
    head, bits = data[:4096], data[4096:]
    magic, version, size, block, crc, disk, blocks, nr_set, _ = struct.unpack_from('<8sIIIIQQQQ', head)
    texts = [t.split(b'\0')[0].decode() for t in struct.unpack_from('<64s64s128s', head, 56)]
    if magic != b'REDOCBT\n' or version != 1 or size != 4096:
        sys.exit('not a bitmap file')
    if crc != crc32c(bits) or struct.unpack_from('<I', head, 4092)[0] != crc32c(head[:4092]):
        sys.exit('wrong checksum')
    if any(head[312:4092]):
        sys.exit('the rest of the header is not zero')
    found = of_bits(bits, blocks)
    if blocks != -(-disk // block) or len(found) != nr_set:
        sys.exit('counts: %d blocks, %d set' % (blocks, nr_set))
    print(texts[2], texts[0], texts[1] or 'now', block, disk, spans(found) or '-')


def main():
    what, path = sys.argv[1:3]
    if what == 'export':
        export(path)
        return
    if what == 'bitmap':
        with open(path, 'rb') as f:
            print(spans(of_bits(f.read(), int(sys.argv[3]))) or '-')
        return
    with open(path) as f:
        answer = json.load(f)
    if what == 'json':
        print(answer[sys.argv[3]])
        return
    each = int(sys.argv[3])
    found = set()
    for r in answer['ranges']:
        if r['offset'] % each or r['length'] <= 0:
            sys.exit('not whole blocks: %s' % r)
        found.update(range(r['offset'] // each, -(-(r['offset'] + r['length']) // each)))
    print(spans(found) or '-')


main()
