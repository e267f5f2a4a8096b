# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs fio."""

import json
import os
import subprocess

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


def measure(run, scratch):
    """A process of its own for each, since one that has run many jobs grows slower: I/Os a second."""
    path = os.path.join(scratch, 'fio.job')
    with open(path, 'w') as f:
        f.write(run.job())
    p = subprocess.run(['fio', '--output-format=json', path], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True)
    if p.returncode:
        raise RuntimeError('fio: ' + (p.stderr or p.stdout)[-400:])
    report = json.loads(p.stdout[p.stdout.index('{'):])
    return _rate(report['jobs'][0])


def _rate(job):
    ios = job['read']['total_ios'] + job['write']['total_ios']
    if job['error'] or not ios:
        raise RuntimeError('fio: %s: error %d' % (job['jobname'], job['error']))
    return job['read']['iops'] + job['write']['iops']
