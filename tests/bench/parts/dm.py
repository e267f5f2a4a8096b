# SPDX-License-Identifier: GPL-2.0-or-later
"""Device-mapper's ioctls, so that what is timed is not the start of a dmsetup."""

import collections
import fcntl
import os
import struct
import time

HEADER = struct.Struct('=3I 2I I i I I I Q 128s 129s 7x')
TARGET = struct.Struct('=QQiI16s')
BUFFER = 128 * 1024

CREATE, REMOVE, SUSPEND, STATUS, WAIT, LOAD, TABLE_STATUS, MESSAGE = 3, 4, 6, 7, 8, 9, 12, 14
READ_ONLY, SUSPENDED, BUFFER_FULL, NO_FREEZE = 1 << 0, 1 << 1, 1 << 8, 1 << 10

Answer = collections.namedtuple('Answer', 'dev events data')

_control = -1


def _request(command):
    return 3 << 30 | HEADER.size << 16 | 0xfd << 8 | command


def _call(command, name, flags=0, targets=0, payload=b'', events=0):
    """One ioctl."""
    global _control
    if _control < 0:
        _control = os.open('/dev/mapper/control', os.O_RDWR | os.O_CLOEXEC)
    size = max(BUFFER, HEADER.size + len(payload))
    buf = bytearray(size)
    HEADER.pack_into(buf, 0, 4, 0, 0, size, HEADER.size, targets, 0, flags, events, 0,
                     0, name.encode(), b'')
    buf[HEADER.size:HEADER.size + len(payload)] = payload
    try:
        fcntl.ioctl(_control, _request(command), buf)
    except OSError as e:
        raise OSError(e.errno, 'device-mapper command %d on %s: %s' %
                      (command, name, e.strerror)) from None
    head = HEADER.unpack_from(buf)
    return Answer(head[10], head[8], bytes(buf[head[4]:head[3]]))


def _table(lines):
    out = b''
    for start, length, kind, args in lines:
        text = args.encode() + b'\0'
        text += b'\0' * (-(TARGET.size + len(text)) % 8)
        out += TARGET.pack(start, length, 0, TARGET.size + len(text), kind.encode()) + text
    return out


def load(name, kind, length, args, read_only=False):
    _call(LOAD, name, READ_ONLY if read_only else 0, 1, _table([(0, length, kind, args)]))


def suspend(name):
    _call(SUSPEND, name, SUSPENDED | NO_FREEZE)


def resume(name):
    _call(SUSPEND, name)


def create(name, kind, length, args, read_only=False):
    """Makes, loads, resumes; returns the node that the kernel makes."""
    dev = _call(CREATE, name).dev
    try:
        load(name, kind, length, args, read_only)
        resume(name)
    except OSError:
        remove(name)
        raise
    return '/dev/dm-%d' % os.minor(dev)


def remove(name):
    """Somebody who looks at new devices may have it open for a moment."""
    for attempt in range(50):
        try:
            _call(REMOVE, name)
            return
        except OSError:
            if attempt == 49:
                raise
            time.sleep(0.1)


def status(name):
    """The status line after the target's name."""
    answer = _call(TABLE_STATUS, name).data
    return answer[TARGET.size:].split(b'\0')[0].decode()


def events(name):
    """How many there have been: for wait()."""
    return _call(STATUS, name).events


def wait(name, seen):
    """Until there have been more."""
    _call(WAIT, name, events=seen)


def message(name, text):
    _call(MESSAGE, name, payload=struct.pack('=Q', 0) + text.encode() + b'\0')


def ask(name, text):
    """What a message is answered with."""
    payload = struct.pack('=Q', 0) + text.encode() + b'\0'
    return _call(MESSAGE, name, payload=payload).data.split(b'\0')[0].decode()


def have(kind):
    """Does the kernel have that target?"""
    os.system('modprobe -q dm-%s 2> /dev/null' % {'thin': 'thin-pool'}.get(kind, kind))
    answer = _call(13, '').data
    return kind.encode() + b'\0' in answer
