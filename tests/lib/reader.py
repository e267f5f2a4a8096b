#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a chain without the kernel and without libredo: an implementation of
Documentation/on-disk-format.rst, written from the document alone.

Usage: reader.py <base> [<delta>...] > content of the virtual disk

The first line that differs between this and the kernel is an error in one of
the two, or in the document. Exit status 1 with a reason on stderr for what a
reader must refuse.
"""
import struct
import sys

BLOCK, UNIT_BLOCKS, FANOUT, META_START = 4096, 4096, 504, 1040
NEW, ACTIVE, SEALED = 1, 2, 3
META, DATA = 1, 2
MAPPED, ZERO, BASE = 1, 2, 3
HOLE, PTR_BLOCK, PTR_ZERO = 0, 1, 2
ADDR = (1 << 48) - 1

TABLE = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Refused(Exception):
    pass


class Header:
    def __init__(self, block):
        (self.magic, self.csum, self.uuid, self.blocknr, self.generation, self.place,
         self.level, self.aux, self.count, self.incarnation) = \
            struct.unpack_from('<4sI16sQQQHHIQ', block)


def check(block, magic, uuid, blocknr, size=BLOCK):
    """The header, or the reason why the block is refused."""
    h = Header(block)
    if h.magic != magic:
        return 'blank' if not any(block[:size]) else 'magic'
    if h.csum != crc32c(block[8:size]):
        return 'checksum'
    if uuid is not None and h.uuid != uuid:
        return 'UUID'
    if h.blocknr != blocknr:
        return 'address'
    return h


class Delta:
    SUPER = [  # name, offset, format
        ('version', 64, 'I'), ('flags', 68, 'I'), ('incompat', 88, 'Q'),
        ('parent_uuid', 96, '16s'), ('tree_uuid', 112, '16s'), ('parent_content', 128, 'Q'),
        ('content_generation', 136, 'Q'), ('virtual_sectors', 144, 'Q'),
        ('base_sectors', 152, 'Q'), ('grain_sectors', 168, 'I'), ('state', 172, 'I'),
        ('depth', 176, 'I'), ('map_root', 208, 'Q'), ('alloc_root', 216, 'Q'),
        ('map_height', 224, 'I'), ('alloc_height', 228, 'I'), ('nr_units', 232, 'Q'),
        ('journal_start', 264, 'Q'), ('journal_blocks', 272, 'I'), ('replay_seq', 280, 'Q'),
        ('replay_commit', 288, 'Q')]

    def __init__(self, path):
        self.path = path
        self.file = open(path, 'rb', buffering=0)
        self.units = self.file.seek(0, 2) // (UNIT_BLOCKS * BLOCK)
        self.choose_super()
        self.gpu = 32768 // self.grain_sectors
        self.nr_grains = -(-self.virtual_sectors // self.grain_sectors)
        height, leaves = 0, -(-self.nr_grains // FANOUT)
        while FANOUT ** height < leaves:
            height += 1
        if height != self.map_height or self.nr_units > self.units:
            self.refuse('superblock: does not fit')
        self.alloc = {}     # unit -> [type, bits], as changed by the journal
        self.leaf = {}      # leaf -> 504 words
        self.replay()

    def refuse(self, why):
        raise Refused('%s: %s' % (self.path, why))

    def read(self, blocknr):
        return self.read_at(blocknr * BLOCK, BLOCK)

    def read_at(self, offset, size):
        self.file.seek(offset)
        data = b''
        while len(data) < size:
            part = self.file.read(size - len(data))
            if not part:
                self.refuse('short read')
            data += part
        return data

    # the superblock in force

    def choose_super(self):
        found = []
        self.torn = False
        blank = 0
        for blocknr in 1, 2:
            block = self.read(blocknr)
            h = check(block, b'RDSB', None, blocknr, 512)
            if h == 'address':
                self.refuse('superblock at another address')
            if isinstance(h, str):
                self.torn |= h != 'blank'
                blank += h == 'blank'
                continue
            if struct.unpack_from('<I', block, 64)[0] != 1 or \
                    struct.unpack_from('<Q', block, 88)[0] & ~1:
                self.refuse('superblock of an unknown version or feature')
            found.append((h.generation, h, block))
        if not found:
            self.refuse('no valid superblock')
        _, h, block = max(found, key=lambda f: f[0])
        self.torn |= bool(blank) and h.generation > 1
        self.uuid, self.incarnation = h.uuid, h.incarnation
        for name, offset, fmt in self.SUPER:
            setattr(self, name, struct.unpack_from('<' + fmt, block, offset)[0])

    # trees

    def node(self, tree, height, root, index):
        """The leaf with that index: its block, or HOLE or PTR_ZERO."""
        word = root
        for level in range(height, -1, -1):
            kind = word >> 60
            if kind != PTR_BLOCK:
                if kind > PTR_ZERO or word & ((1 << 60) - 1) or (kind == PTR_ZERO and tree):
                    self.refuse('malformed pointer')
                return kind
            blocknr, tag = word & ADDR, word >> 48 & 0xFFF
            if blocknr < META_START or blocknr % UNIT_BLOCKS == 0 or \
                    blocknr // UNIT_BLOCKS >= self.nr_units:
                self.refuse('pointer to block %d' % blocknr)
            block = self.read(blocknr)
            magic = b'RDDR' if level else (b'RDAL' if tree else b'RDLF')
            h = check(block, magic, self.uuid, blocknr)
            if isinstance(h, str):
                self.refuse('block %d: %s' % (blocknr, h))
            place = index // FANOUT ** level
            if (h.aux, h.level, h.place, h.generation & 0xFFF) != (tree, level, place, tag):
                self.refuse('block %d: wrong place or generation' % blocknr)
            if not level:
                return block
            word = struct.unpack_from('<Q', block, 64 + 8 * (index // FANOUT ** (level - 1)
                                                             % FANOUT))[0]
        return HOLE

    def words(self, leaf):
        if leaf not in self.leaf:
            block = self.node(0, self.map_height, self.map_root, leaf)
            if block == HOLE or block == PTR_ZERO:
                words = [ZERO << 60 if block else 0] * FANOUT
            else:
                words = list(struct.unpack_from('<504Q', block, 64))
            for word in words:
                state, phys = word >> 60, word & ADDR
                if state > BASE or word >> 48 & 0xFFF or (state == MAPPED) != (phys != 0):
                    self.refuse('malformed entry')
            self.leaf[leaf] = words
        return self.leaf[leaf]

    def unit(self, nr):
        """[type, bitmap as a number] of a unit."""
        if nr not in self.alloc:
            kind, bits = 0, 0
            block = HOLE
            if nr // 7 < FANOUT ** self.alloc_height:
                block = self.node(1, self.alloc_height, self.alloc_root, nr // 7)
            if block == HOLE:
                if nr == 0:
                    kind, bits = META, (1 << META_START) - 1
            else:
                offset = 64 + nr % 7 * 520
                kind, used = struct.unpack_from('<II', block, offset)
                bits = int.from_bytes(block[offset + 8:offset + 520], 'little')
                if bin(bits).count('1') != used:
                    self.refuse('unit %d: count of used' % nr)
            self.alloc[nr] = [kind, bits]
        return self.alloc[nr]

    # journal

    def journal(self, seq):
        blocknr = self.journal_start + seq % self.journal_blocks
        block = self.read(blocknr)
        h = check(block, b'RDJR', self.uuid, blocknr)
        if isinstance(h, str) or h.count > 252 or not h.aux or h.level >= h.aux:
            return None, None
        return h, block

    def next_commit(self, seq, commit):
        blocks, total = [], 1
        while len(blocks) < total:
            index = len(blocks)
            if seq + index >= self.replay_seq + self.journal_blocks:
                return None
            h, block = self.journal(seq + index)
            if h is None or (h.generation, h.place, h.level, h.incarnation) != \
                    (seq + index, commit, index, self.incarnation):
                return None
            if index == 0:
                total = h.aux
            elif h.aux != total:
                return None
            blocks.append((h, block))
        return blocks

    def replay(self):
        seq, commit = self.replay_seq, self.replay_commit
        while True:
            blocks = self.next_commit(seq, commit)
            if not blocks:
                break
            for h, block in blocks:
                for i in range(h.count):
                    self.apply(*struct.unpack_from('<QQ', block, 64 + 16 * i))
            seq, commit = seq + len(blocks), commit + 1
        self.commits = commit - self.replay_commit
        if self.flags & 4 and not self.torn:
            return
        for s in range(seq, self.replay_seq + self.journal_blocks):
            h, _ = self.journal(s)
            if h and h.level + 1 == h.aux and h.generation >= seq and \
                    (h.incarnation == self.incarnation or self.torn):
                self.refuse('the log goes on behind its end')

    def apply(self, a, b):
        kind, logical, length = a >> 60, a & ADDR, a >> 48 & 0xFFF
        if kind == 1:
            if not length or not b or b > ADDR:
                self.refuse('malformed record')
            self.use(b, length)
        elif 2 <= kind <= 4 and not length and 0 < b <= ADDR:
            length = b
        else:
            self.refuse('malformed record')
        if logical + length > self.nr_grains:
            self.refuse('record beyond the disk')
        for i in range(length):
            leaf, slot = divmod(logical + i, FANOUT)
            words = self.words(leaf)
            if words[slot] >> 60 == MAPPED:
                nr, bit = divmod(words[slot] & ADDR, self.gpu)
                self.unit(nr)[1] &= ~(1 << bit)
            words[slot] = {1: MAPPED << 60 | b + i, 2: ZERO << 60, 3: 0, 4: BASE << 60}[kind]

    def use(self, phys, length):
        nr, slot = divmod(phys, self.gpu)
        if not nr or not slot or slot + length > self.gpu or nr >= self.units:
            self.refuse('record names grains %d+%d' % (phys, length))
        self.nr_units = max(self.nr_units, nr + 1)
        unit = self.unit(nr)
        if bin(unit[1]).count('1') <= 1:
            h = check(self.read(nr * UNIT_BLOCKS), b'RDUN', self.uuid, nr * UNIT_BLOCKS)
            if isinstance(h, str) or (h.place, h.level, h.count) != (nr, DATA,
                                                                   self.grain_sectors):
                self.refuse('header of unit %d' % nr)
            unit[:] = [DATA, 1]
        run = ((1 << length) - 1) << slot
        if unit[0] != DATA or unit[1] & run:
            self.refuse('grains %d+%d are in use' % (phys, length))
        unit[1] |= run

    def grain(self, g):
        """Its content; BASE; or None."""
        word = self.words(g // FANOUT)[g % FANOUT]
        state = word >> 60
        size = self.grain_sectors * 512
        if state == MAPPED:
            nr, slot = divmod(word & ADDR, self.gpu)
            if not nr or not slot or nr >= self.nr_units:
                self.refuse('entry names grain %d' % (word & ADDR))
            return self.read_at((word & ADDR) * size, size)
        return {0: None, ZERO: b'\0' * size, BASE: BASE}[state]


def check_line(deltas, base_sectors):
    for i, d in enumerate(deltas):
        parent = deltas[i - 1] if i else None
        if d.depth != i or d.parent_uuid != (parent.uuid if parent else b'\0' * 16):
            d.refuse('not in its place')
        if d.base_sectors != base_sectors:
            d.refuse('wrong base')
        if parent and (d.tree_uuid, d.grain_sectors, d.virtual_sectors) != \
                (parent.tree_uuid, parent.grain_sectors, parent.virtual_sectors):
            d.refuse('does not fit its parent')
        if parent and d.state != NEW and d.parent_content != parent.content_generation:
            d.refuse('its parent has changed')
        if d is not deltas[-1] and d.state != SEALED:
            d.refuse('not sealed')


def main(argv):
    base = open(argv[1], 'rb')
    base_sectors = base.seek(0, 2) // 512
    deltas = [Delta(path) for path in argv[2:]]
    check_line(deltas, base_sectors)
    top = deltas[-1]
    size = top.grain_sectors * 512
    left = top.virtual_sectors * 512
    out = sys.stdout.buffer
    for g in range(top.nr_grains):
        for d in reversed(deltas):
            data = d.grain(g)
            if data is not None:
                break
        if data is None or data is BASE:
            base.seek(g * size)
            data = base.read(size)
        out.write(data[:min(size, left)])
        left -= size
    print(' '.join('%d' % d.commits for d in deltas), file=sys.stderr)


if __name__ == '__main__':
    try:
        main(sys.argv)
    except Refused as reason:
        print(reason, file=sys.stderr)
        sys.exit(1)
