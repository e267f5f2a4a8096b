# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of the README: ratios, a row for each job and a column for each target."""

from .table import number

COLUMNS = (('linear', ('linear', (0,))), ('redo', ('redo', (0, 1))),
           ('redo, 16', ('redo', (16,))), ('redo, 64', ('redo', (64,))), ('redo, 256', ('redo', (255, 256))),
           ('snapshot', ('snapshot', (1,))), ('snapshot-origin', ('snapshot-origin', (1,))),
           ('thin', ('thin', (1,))), ('thin-external', ('thin-external', (1,))),
           ('qcow2', ('qcow2', (1,))))


def _cell(rows, job, target, depths):
    for r in rows:
        if r['job'] == job and r['target'] == target and r['depth'] in depths:
            if r['ratio'] is not None and target != 'linear' and r['unit'] not in ('ms', 's'):
                return '%.2f' % r['ratio']
            return '%s %s' % (number(r['value']), r['unit'])
    return ''


def markdown(rows, goals):
    lines = ['| job | ' + ' | '.join(name for name, _ in COLUMNS) + ' |',
             '| --- |' + ' --- |' * len(COLUMNS)]
    for job in dict.fromkeys(r['job'] for r in rows):
        cells = [_cell(rows, job, *where) for _, where in COLUMNS]
        lines.append('| %s | %s |' % (job, ' | '.join(cells)))
    lines += ['', '| goal | reached | wanted | |', '| --- | --- | --- | --- |']
    for g in goals:
        lines.append('| %s | %.3f%s | %s %.3f%s | %s |' %
                     (g.text, g.reached, g.unit, 'at least' if g.least else 'at most', g.wanted,
                      g.unit, 'met' if g.met else '**%s**' % g.verdict.lower()))
    return '\n'.join(lines) + '\n'
