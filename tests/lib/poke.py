#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Looks at and spoils metadata of a delta, for tests of how it is refused. Knows
# the format from Documentation/on-disk-format.rst, not from the code.
#
# Usage: poke.py [--restore FILE BLOCKS] DEVICE VERB...
#	--restore copies the first BLOCKS blocks of FILE back before anything else
#        poke.py --serve
#	reads such lines of arguments, and answers each with what is printed, and a
#	line of "." or "! <error>"; "mark" and "log": the kernel log from there on
# Verbs:
#        poke.py DEVICE get BLOCK FIELD
#        poke.py DEVICE set BLOCK FIELD VALUE	set a field, mend the checksum
#        poke.py DEVICE break BLOCK FIELD VALUE	set a field, leave the checksum
#        poke.py DEVICE find KIND		addresses of blocks of that kind that
#						the superblock reaches: leaf, dir,
#						alloc (leaves), journal (any)
#        poke.py DEVICE wipe BLOCK		zero a block
#        poke.py DEVICE nothing			only what --restore does
#        poke.py DEVICE copy FROM TO		copy a block as it is
#        poke.py DEVICE format SECTORS GRAIN [PARENT]	an empty delta for a virtual
#						disk of so many sectors, grains of GRAIN
#						bytes, on the delta PARENT or the base
#
# BLOCK is a block's address, or "sb" (superblock in force), "old" (the other
# one), "sbs" (set and break: both), "unitN" (header of unit N), "label".
# FIELD is a name below, or "OFFSET/SIZE", or "wordN" (in trees). VALUE is a
# number, "+N"/"-N"/"^N" (changes what is there), or 32 hex digits for UUIDs.

import fcntl
import os
import stat
import struct
import sys

BLKFLSBUF = 0x1261

BLOCK, SUPER = 4096, 512
FANOUT = 504

HEADER = {
    'magic': (0, 4), 'csum': (4, 4), 'uuid': (8, 16), 'blocknr': (24, 8),
    'generation': (32, 8), 'place': (40, 8), 'level': (48, 2), 'aux': (50, 2),
    'count': (52, 4), 'incarnation': (56, 8),
}
SB = {
    'version': (64, 4), 'flags': (68, 4), 'compat': (72, 8), 'compat_ro': (80, 8),
    'incompat': (88, 8), 'parent_uuid': (96, 16), 'tree_uuid': (112, 16),
    'parent_content': (128, 8), 'content_generation': (136, 8),
    'virtual_sectors': (144, 8), 'base_sectors': (152, 8),
    'base_fp_head': (160, 4), 'base_fp_tail': (164, 4), 'grain_sectors': (168, 4),
    'state': (172, 4), 'depth': (176, 4), 'label_block': (180, 4),
    'chain_seq': (184, 8), 'create_time': (192, 8), 'seal_time': (200, 8),
    'map_root': (208, 8), 'alloc_root': (216, 8), 'map_height': (224, 4),
    'alloc_height': (228, 4), 'nr_units': (232, 8), 'nr_leaves': (240, 8),
    'meta_used': (248, 8), 'data_used': (256, 8), 'journal_start': (264, 8),
    'journal_blocks': (272, 4), 'replay_seq': (280, 8), 'replay_commit': (288, 8),
    'tracker_uuid': (296, 16), 'tracker_generation': (312, 8),
    'merge_state': (320, 8), 'merge_uuid': (328, 16), 'merge_pos': (344, 8),
    'tracker_epoch': (352, 8), 'tracker_sealed': (360, 8),
}

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def number(data, offset, length):
    return int.from_bytes(data[offset:offset + length], 'little')


class Delta:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR)
        # what the kernel has written by itself is not in the page cache
        if stat.S_ISBLK(os.fstat(self.fd).st_mode):
            fcntl.ioctl(self.fd, BLKFLSBUF)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def read(self, block):
        return bytearray(os.pread(self.fd, BLOCK, block * BLOCK))

    def write(self, block, data):
        os.pwrite(self.fd, data, block * BLOCK)
        os.fsync(self.fd)

    def slots(self):
        """Superblock slots, the one in force first."""
        gens = []
        for b in (1, 2):
            data = self.read(b)
            good = (data[:4] == b'RDSB' and
                    number(data, 4, 4) == crc32c(data[8:SUPER]))
            gens.append((number(data, 32, 8) if good else -1, b))
        return [b for _, b in sorted(gens, reverse=True)]

    def sb(self, field):
        offset, length = SB[field] if field in SB else HEADER[field]
        return number(self.read(self.slots()[0]), offset, length)

    def blocks(self, name):
        if name == 'sb':
            return [self.slots()[0]]
        if name == 'old':
            return [self.slots()[1]]
        if name == 'sbs':
            return [b for b in (1, 2) if self.read(b)[:4] == b'RDSB']
        if name == 'label':
            return [self.sb('label_block')]
        if name.startswith('unit'):
            return [int(name[4:]) * 4096]
        return [int(name, 0)]

    def walk(self, root, height):
        """Yields (level, index, address) of the blocks of a tree."""
        todo = [(height, 0, root)]
        while todo:
            level, index, ptr = todo.pop(0)
            if ptr >> 60 != 1:
                continue
            address = ptr & (1 << 48) - 1
            yield level, index, address
            if level:
                data = self.read(address)
                todo += [(level - 1, index * FANOUT + i, number(data, 64 + 8 * i, 8))
                         for i in range(FANOUT) if any(data[64 + 8 * i:72 + 8 * i])]

    def find(self, kind):
        if kind == 'journal':
            return [b for b in range(16, 1040) if self.read(b)[:4] == b'RDJR']
        if kind in ('leaf', 'dir'):
            tree = self.walk(self.sb('map_root'), self.sb('map_height'))
            return [a for level, _, a in tree if (level > 0) == (kind == 'dir')]
        if kind == 'alloc':
            tree = self.walk(self.sb('alloc_root'), self.sb('alloc_height'))
            return [a for level, _, a in tree if level == 0]
        sys.exit('poke.py: what is ' + kind)


def place(field):
    if '/' in field:
        offset, length = field.split('/')
        return int(offset, 0), int(length)
    if field.startswith('word'):
        return 64 + 8 * int(field[4:]), 8
    return HEADER[field] if field in HEADER else SB[field]


def changed(old, text, length):
    if length == 16:
        return bytes.fromhex(text)
    if text[0] == '+':
        value = old + int(text[1:], 0)
    elif text[0] == '-':
        value = old - int(text[1:], 0)
    elif text[0] == '^':
        value = old ^ int(text[1:], 0)
    else:
        value = int(text, 0)
    return (value & (1 << 8 * length) - 1).to_bytes(length, 'little')


def change(delta, block, field, text, mend):
    data = delta.read(block)
    offset, length = place(field)
    old = number(data, offset, length)
    new = changed(old, text, length)
    if data[offset:offset + length] == new:
        sys.exit('poke.py: %s of block %d is that already' % (field, block))
    was_super = data[:4] == b'RDSB'
    data[offset:offset + length] = new
    if mend:
        end = SUPER if was_super else BLOCK
        data[4:8] = struct.pack('<I', crc32c(data[8:end]))
    delta.write(block, data)


def sealed(data, end=BLOCK):
    data[4:8] = struct.pack('<I', crc32c(data[8:end]))
    return data


def header(magic, uuid, blocknr, **fields):
    data = bytearray(BLOCK)
    data[:4], data[8:24] = magic, uuid
    fields['blocknr'] = blocknr
    for name, value in fields.items():
        offset, length = HEADER[name]
        data[offset:offset + length] = value.to_bytes(length, 'little')
    return data


def tree_height(sectors, grain_sectors):
    leaves = -(-sectors // (grain_sectors * FANOUT))
    height = 0
    while leaves > 1:
        leaves, height = -(-leaves // FANOUT), height + 1
    return height


def format_delta(delta, sectors, grain, parent):
    uuid, grain_sectors = os.urandom(16), grain // 512
    fields = {
        'version': 1, 'virtual_sectors': sectors, 'base_sectors': sectors,
        'grain_sectors': grain_sectors, 'state': 1, 'label_block': 3,
        'chain_seq': 1, 'map_height': tree_height(sectors, grain_sectors),
        'nr_units': 1, 'journal_start': 16, 'journal_blocks': 1024,
        'replay_seq': 1, 'replay_commit': 1,
        'tree_uuid': int.from_bytes(os.urandom(16), 'little'),
    }
    if parent:
        for name in ('tree_uuid', 'base_sectors'):
            fields[name] = parent.sb(name)
        fields['parent_uuid'] = parent.sb('uuid')
        fields['chain_seq'] = parent.sb('chain_seq') + 1
        fields['depth'] = parent.sb('depth') + 1
    for block in (1, 2, 4):
        delta.write(block, bytes(BLOCK))
    delta.write(0, sealed(header(b'RDUN', uuid, 0, level=1, count=grain_sectors)))
    delta.write(3, sealed(header(b'RDLB', uuid, 3, generation=1)))
    data = header(b'RDSB', uuid, 1, generation=1,
                  incarnation=int.from_bytes(os.urandom(8), 'little') | 1)
    for name, value in fields.items():
        offset, length = SB[name]
        data[offset:offset + length] = value.to_bytes(length, 'little')
    delta.write(1, sealed(data, SUPER))


class Log:
    def __init__(self):
        self.fd = os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)

    def mark(self):
        os.lseek(self.fd, 0, os.SEEK_END)

    def lines(self):
        while True:
            try:
                record = os.read(self.fd, 8192)
            except BlockingIOError:
                return
            except BrokenPipeError:
                continue        # overwritten before it was read
            yield record.split(b';', 1)[1].split(b'\n')[0].decode(errors='replace')


def serve():
    log = Log()
    for command in sys.stdin:
        words = command.split()
        try:
            if words == ['mark']:
                log.mark()
            elif words == ['log']:
                for text in log.lines():
                    print(text)
            else:
                run(words)
            print('.', flush=True)
        except (SystemExit, OSError, ValueError, KeyError, IndexError) as e:
            print('! %s' % e, flush=True)


def run(argv):
    restore = argv[1:3] if argv[0] == '--restore' else None
    path, verb, *args = argv[3 if restore else 0:]
    with Delta(path) as delta:
        act(delta, verb, args, restore)


def act(delta, verb, args, restore):
    if restore:
        with open(restore[0], 'rb') as good:
            os.pwrite(delta.fd, good.read(int(restore[1]) * BLOCK), 0)
    if verb == 'nothing':
        os.fsync(delta.fd)
        return
    if verb == 'find':
        print('\n'.join(map(str, delta.find(args[0]))))
        return
    if verb == 'format':
        format_delta(delta, int(args[0]), int(args[1]),
                     Delta(args[2]) if len(args) > 2 else None)
        return
    if verb == 'copy':
        delta.write(delta.blocks(args[1])[0], delta.read(delta.blocks(args[0])[0]))
        return
    for block in delta.blocks(args[0]):
        if verb == 'get':
            offset, length = place(args[1])
            data = delta.read(block)
            if length == 16:
                print(data[offset:offset + 16].hex())
            else:
                print(number(data, offset, length))
        elif verb == 'wipe':
            delta.write(block, bytes(BLOCK))
        elif verb in ('set', 'break'):
            change(delta, block, args[1], args[2], verb == 'set')
        else:
            sys.exit('poke.py: what is ' + verb)


if sys.argv[1:] == ['--serve']:
    serve()
else:
    run(sys.argv[1:])
