#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads and writes of a block device, each applied to a model of its content as
# well, so that the whole of it can be compared at any time.
#
# Usage: rio.py [--grain BYTES] [--model FILE] DEVICE COMMAND [COMMAND...]
#        rio.py --serve
#
# With --serve each line of the standard input is such a call, its arguments
# separated by the byte 0x1f; the answer is "." or "! " and what is wrong.
#
# A command is one argument; sizes take the suffixes s (sectors), k, M, G:
#	w OFF LEN SEED	write the stamped pattern of SEED (O_DIRECT)
#	W OFF LEN SEED	the same with FUA
#	d OFF LEN	discard
#	z OFF LEN	write zeroes (BLKZEROOUT)
#	n OFF LEN	write zeroes as data
#	f		flush
#	r OFF LEN	read and compare with the model
#	v		read everything and compare with the model
#	q OFF LEN SEED	read and compare with the stamped pattern, no model
#	0 OFF LEN	read and compare with zeroes, no model
#	x N SEED MAX	N random writes, discards, zeroes, flushes and reads of up
#			to MAX bytes; the offsets are multiples of the block size
#	alt OFF LEN SEED PHASE	write every other sector, one by one, from PHASE on
#	watch OFF LEN SECONDS	read again and again what alt writes: each sector has
#			its own stamp, or zeroes, and no seed goes back
#	c FROM TO	copy a file: what a crash now would leave of a disk
#	eio CMD...	CMD must fail with an error; the model is left alone
#	enospc CMD...	CMD must fail with ENOSPC
#
# The model starts as what the device holds when FILE does not exist yet. A
# discard zeroes the whole grains inside it and leaves the rest alone: that is
# the target's contract. Exit status 1: something differs, with the place.

import errno
import fcntl
import mmap
import os
import random
import struct
import sys
import time

BLKDISCARD, BLKZEROOUT, BLKSSZGET = 0x1277, 0x127f, 0x1268
CHUNK = 1 << 20


def size(text):
    units = {'s': 9, 'k': 10, 'M': 20, 'G': 30}
    return int(text[:-1]) << units[text[-1]] if text[-1] in units else int(text)


def pattern(offset, length, seed):
    first = offset >> 9
    out = b''.join(struct.pack('<QQ', seed, s) * 32
                   for s in range(first, (offset + length + 511) >> 9))
    return out[:length]


class Differs(Exception):
    pass


def stamp(data):
    if len(data) < 16:
        return data.hex()
    seed, sector = struct.unpack('<QQ', data[:16])
    if not seed and not sector:
        return 'zeroes'
    if seed < 1 << 32 and sector < 1 << 40:
        return 'seed %d of sector %d' % (seed, sector)
    return data[:16].hex()


class Device:
    def __init__(self, path, grain, model):
        self.path, self.grain = path, grain
        flags = os.O_RDWR
        try:
            self.fd = os.open(path, flags | os.O_DIRECT)
            self.dsync = os.open(path, flags | os.O_DIRECT | os.O_DSYNC)
        except OSError as e:
            if e.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            self.fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
            self.dsync = self.fd
        self.length = os.lseek(self.fd, 0, os.SEEK_END)
        b = bytearray(4)
        fcntl.ioctl(self.fd, BLKSSZGET, b)
        self.block = struct.unpack('i', b)[0]
        self.buf = mmap.mmap(-1, CHUNK)
        self.model = self.open_model(model) if model else None

    def close(self):
        for fd in {self.fd, self.dsync, self.model} - {None}:
            os.close(fd)
        self.buf.close()

    def open_model(self, path):
        new = not os.path.exists(path)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if new:
            os.ftruncate(fd, self.length)
            for off in range(0, self.length, CHUNK):
                data = self.read(off, min(CHUNK, self.length - off))
                if data.count(0) != len(data):
                    os.pwrite(fd, data, off)
        return fd

    def read(self, off, length):
        out = []
        while length:
            n = min(length, CHUNK)
            got = os.preadv(self.fd, [memoryview(self.buf)[:n]], off)
            if got != n:
                raise Differs('%s: short read of %d at %d' % (self.path, got, off))
            out.append(self.buf[:n])
            off += n
            length -= n
        return b''.join(out)

    def write(self, fd, off, data):
        for at in range(0, len(data), CHUNK):
            part = data[at:at + CHUNK]
            self.buf[:len(part)] = part
            n = os.pwritev(fd, [memoryview(self.buf)[:len(part)]], off + at)
            if n != len(part):
                raise OSError(errno.EIO, 'short write')

    def to_model(self, off, data):
        if self.model is not None:
            os.pwrite(self.model, data, off)

    def compare(self, off, expected):
        got = self.read(off, len(expected))
        if got == expected:
            return
        for i in range(0, len(got), 512):
            g, e = got[i:i + 512], expected[i:i + 512]
            if g != e:
                raise Differs('%s: sector %d differs: has %s, expected %s' %
                              (self.path, (off + i) >> 9, stamp(g), stamp(e)))

    def do_w(self, off, length, seed):
        data = pattern(size(off), size(length), int(seed))
        self.write(self.fd, size(off), data)
        self.to_model(size(off), data)

    def do_W(self, off, length, seed):
        data = pattern(size(off), size(length), int(seed))
        self.write(self.dsync, size(off), data)
        self.to_model(size(off), data)

    def do_d(self, off, length):
        off, length = size(off), size(length)
        fcntl.ioctl(self.fd, BLKDISCARD, struct.pack('QQ', off, length))
        first = -(-off // self.grain) * self.grain
        last = (off + length) // self.grain * self.grain
        if off + length == self.length:
            last = self.length      # a short last grain counts as whole
        if last > first:
            self.to_model(first, bytes(last - first))

    def do_z(self, off, length):
        off, length = size(off), size(length)
        fcntl.ioctl(self.fd, BLKZEROOUT, struct.pack('QQ', off, length))
        self.to_model(off, bytes(length))

    def do_n(self, off, length):
        off, length = size(off), size(length)
        for at in range(0, length, CHUNK):
            self.write(self.fd, off + at, bytes(min(CHUNK, length - at)))
        self.to_model(off, bytes(length))

    def do_f(self):
        os.fsync(self.fd)

    def do_r(self, off, length):
        off, length = size(off), size(length)
        while length:
            n = min(length, CHUNK)
            self.compare(off, os.pread(self.model, n, off))
            off += n
            length -= n

    def do_v(self):
        have = os.fstat(self.model).st_size
        if have != self.length:
            raise Differs('%s has %d bytes, its model %d' % (self.path, self.length, have))
        self.do_r('0', str(self.length))

    def do_q(self, off, length, seed):
        self.compare(size(off), pattern(size(off), size(length), int(seed)))

    def do_0(self, off, length):
        self.compare(size(off), bytes(size(length)))

    def do_alt(self, off, length, seed, phase):
        start, end = size(off), size(off) + size(length)
        for at in range(start + 512 * int(phase), end, 1024):
            data = pattern(at, 512, int(seed))
            self.write(self.fd, at, data)
            self.to_model(at, data)

    def do_watch(self, off, length, seconds):
        off, length, seen = size(off), size(length), {}
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            data = self.read(off, length)
            for i in range(0, length, 512):
                seed, sector = struct.unpack('<QQ', data[i:i + 16])
                if data[i:i + 512] != data[i:i + 16] * 32:
                    raise Differs('sector %d is torn' % ((off + i) >> 9))
                if (seed and sector != (off + i) >> 9) or seed < seen.get(i, 0):
                    raise Differs('sector %d: has %s after seed %d' %
                                  ((off + i) >> 9, stamp(data[i:i + 16]), seen.get(i, 0)))
                seen[i] = seed

    def do_c(self, source, target):
        with open(source, 'rb') as src, open(target, 'wb') as dst:
            at, end = 0, os.fstat(src.fileno()).st_size
            while True:
                try:
                    at = os.lseek(src.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                hole = os.lseek(src.fileno(), at, os.SEEK_HOLE)
                while at < hole:
                    at += os.pwrite(dst.fileno(),
                                    os.pread(src.fileno(), min(CHUNK, hole - at), at), at)
            dst.truncate(end)

    def do_x(self, count, seed, most):
        rnd, most = random.Random(int(seed)), size(most) // self.block
        for i in range(int(count)):
            blocks = self.length // self.block
            n = min(int(2 ** rnd.uniform(0, most.bit_length())), most, blocks)
            off = str(rnd.randrange(blocks - n + 1) * self.block)
            op = rnd.choices('wWdzfr', (12, 3, 2, 2, 1, 6))[0]
            args = {'w': 3, 'W': 3, 'd': 2, 'z': 2, 'f': 0, 'r': 2}[op]
            getattr(self, 'do_' + op)(*(off, str(n * self.block),
                                        str(int(seed) * 100000 + i + 1))[:args])

    def must_fail(self, words, wanted):
        model, self.model = self.model, None
        try:
            getattr(self, 'do_' + words[0])(*words[1:])
        except OSError as e:
            if wanted and e.errno != wanted:
                raise Differs('"%s" failed with %s, expected %s' %
                              (' '.join(words), os.strerror(e.errno), os.strerror(wanted)))
        else:
            raise Differs('"%s" did not fail' % ' '.join(words))
        finally:
            self.model = model

    def run(self, command):
        words = command.split()
        if words[0] == 'eio':
            self.must_fail(words[1:], None)
        elif words[0] == 'enospc':
            self.must_fail(words[1:], errno.ENOSPC)
        else:
            getattr(self, 'do_' + words[0])(*words[1:])


def run(args):
    grain, model, dev = 4096, None, None
    while args and args[0].startswith('--'):
        if args[0] == '--grain':
            grain = size(args[1])
        elif args[0] == '--model':
            model = args[1]
        else:
            return 'unknown option ' + args[0]
        args = args[2:]
    if len(args) < 2:
        return 'no device or no command'
    command = ''
    try:
        dev = Device(args[0], grain, model)
        for command in args[1:]:
            dev.run(command)
    except Differs as e:
        return '%s: %s' % (command, e)
    except OSError as e:
        return '%s: %s: %s' % (args[0], command, os.strerror(e.errno))
    finally:
        if dev:
            dev.close()
    return None


def serve():
    for line in sys.stdin:
        failed = run(line.rstrip('\n').split('\x1f'))
        print('! ' + failed if failed else '.', flush=True)


def main():
    if sys.argv[1:] == ['--serve']:
        serve()
        return
    failed = run(sys.argv[1:])
    if failed:
        sys.exit('rio.py: ' + failed)


main()
