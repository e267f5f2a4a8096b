# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of the README: ratios, a row for each job and a column for each target."""

from .table import details, number

COLUMNS = (('linear', ('linear', (0,))), ('redo', ('redo', (0, 1))),
           ('redo, 16', ('redo', (16,))), ('redo, 64', ('redo', (64,))), ('redo, 256', ('redo', (255, 256))),
           ('snapshot', ('snapshot', (1,))), ('snapshot-origin', ('snapshot-origin', (1,))),
           ('thin', ('thin', (1,))), ('thin-external', ('thin-external', (1,))),
           ('qcow2', ('qcow2', (1,))))
MERGES = 'copy', 'redo', 'redo-one-by-one', 'snapshot-merge', 'qcow2'
MEANWHILE = 'no-merge', 'redo'
TRACKING = 'off', 'redo', 'linear', 'era'
OWN_TABLE = 'delete-all', 'merge-', 'cbt-'


def _cell(rows, job, target, depths):
    for r in rows:
        if r['job'] == job and r['target'] == target and r['depth'] in depths:
            if r['ratio'] is not None and target != 'linear' and r['unit'] not in ('ms', 's'):
                return '%.2f' % r['ratio']
            return '%s %s' % (number(r['value']), r['unit'])
    return ''


def _head(names):
    return ['| ' + ' | '.join(names) + ' |', '|' + ' --- |' * len(names)]


def _merge_cell(rows, job, target, depth):
    for r in rows:
        if (r['job'], r['target'], r['depth']) == (job, target, depth):
            if r['unit'] == 'ms' and not details(r):
                return '%s ms' % number(r['value'])
            if not r['unit'] in ('MiB/s', 'IOPS'):
                return details(r) or '%.2f' % r['value']
            text = '%s %s' % (number(r['value']), r['unit'])
            return text if target in ('copy', 'no-merge', 'off', 'linear') else text + ' (%.2f)' % r['ratio']
    return ''


def _merge_table(rows, jobs, targets):
    """A row for each job and depth, and a column for each target."""
    lines = _head(('job', 'deltas') + targets)
    for job, depth in dict.fromkeys((r['job'], r['depth']) for r in rows):
        if job.startswith(jobs):
            cells = [_merge_cell(rows, job, t, depth) for t in targets]
            lines.append('| %s | %d | %s |' % (job, depth, ' | '.join(cells)))
    return lines + [''] if len(lines) > 2 else []


def _tracking_table(rows):
    """A row for each job: two targets without tracking, and what each is with it."""
    lines = _head(('job',) + TRACKING)
    for job in dict.fromkeys(r['job'] for r in rows if r['job'].startswith('cbt-')):
        cells = [''.join(_merge_cell(rows, job, t, d) for d in (0, 1)) for t in TRACKING]
        lines.append('| %s | %s |' % (job, ' | '.join(cells)))
    return lines + [''] if len(lines) > 2 else []


def markdown(rows, goals):
    lines = _head(['job'] + [name for name, _ in COLUMNS])
    for job in dict.fromkeys(r['job'] for r in rows if not r['job'].startswith(OWN_TABLE)):
        cells = [_cell(rows, job, *where) for _, where in COLUMNS]
        lines.append('| %s | %s |' % (job, ' | '.join(cells)))
    lines = lines + [''] if len(lines) > 2 else []
    lines += _merge_table(rows, 'delete-all', MERGES) + _merge_table(rows, 'merge-', MEANWHILE)
    lines += _tracking_table(rows)
    lines += ['| goal | reached | wanted | |', '| --- | --- | --- | --- |']
    for g in goals:
        lines.append('| %s | %.3f%s | %s %.3f%s | %s |' %
                     (g.text, g.reached, g.unit, 'at least' if g.least else 'at most', g.wanted,
                      g.unit, 'met' if g.met else '**%s**' % g.verdict.lower()))
    return '\n'.join(lines) + '\n'
