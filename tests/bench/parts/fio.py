# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs fio."""

import json
import os
import signal
import subprocess
import time

# disk_util: reading the statistics of every device below takes fio longer, the deeper a
# chain is, and the clock counts that as well
COMMON = '''[global]
ioengine=libaio
direct=1
thread=1
group_reporting=1
randrepeat=1
disk_util=0
'''


class Run:
    """One measurement: fio's options for a device."""

    def __init__(self, device, **options):
        self.device = device
        self.options = options

    def job(self):
        lines = ['[run]', 'filename=' + self.device]
        lines += ['%s=%s' % item for item in self.options.items()]
        return COMMON + '\n'.join(lines) + '\n'


def _start(run, scratch):
    """A process of its own for each, since one that has run many jobs grows slower."""
    path = os.path.join(scratch, 'fio.job')
    with open(path, 'w') as f:
        f.write(run.job())
    return subprocess.Popen(['fio', '--output-format=json', path], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def _report(process, stopped=False):
    """What it says of its job at the end."""
    out, err = process.communicate()
    if process.returncode and not stopped:
        raise RuntimeError('fio: ' + (err or out)[-400:])
    job = json.loads(out[out.index('{'):])['jobs'][0]
    ios = job['read']['total_ios'] + job['write']['total_ios']
    if job['error'] or not ios:
        raise RuntimeError('fio: %s: error %d' % (job['jobname'], job['error']))
    return job


def measure(run, scratch):
    """I/Os a second."""
    job = _report(_start(run, scratch))
    return job['read']['iops'] + job['write']['iops']


def _ios(device):
    """Reads and writes that the device has completed."""
    with open('/sys/class/block/%s/stat' % os.path.basename(os.path.realpath(device))) as f:
        words = f.read().split()
    return int(words[0]) + int(words[4])


def around(run, scratch, meanwhile):
    """Its report; it runs from before the beginning of @meanwhile until after the end."""
    before = _ios(run.device)
    process = _start(run, scratch)
    try:
        while _ios(run.device) < before + 100 and process.poll() is None:
            time.sleep(0.005)
        meanwhile()
    finally:
        process.send_signal(signal.SIGINT)
    return _report(process, stopped=True)
