# SPDX-License-Identifier: GPL-2.0-or-later
"""The table on the terminal."""


def show(rows, spread, out):
    out.write('\n%-28s %-16s %5s %14s %-8s %7s %s\n' %
              ('job', 'target', 'depth', 'value', 'unit', 'ratio', '+-'))
    last = None
    for r in rows:
        job = '' if r['job'] == last else r['job']
        last = r['job']
        ratio = '-' if r['ratio'] is None else '%.3f' % r['ratio']
        away = spread.get((r['job'], r['target'], r['depth']))
        out.write('%-28s %-16s %5d %14s %-8s %7s %s\n' %
                  (job, r['target'], r['depth'], number(r['value']), r['unit'], ratio,
                   '%.3f' % away if away and r['target'] != 'linear' else details(r)))


DETAILS = 'p50', 'p99', 'max'


def details(row):
    return ', '.join('%s %s' % (name, number(row[name])) for name in DETAILS if name in row)


def number(v):
    if v >= 1000:
        return '%d' % round(v)
    return '%.4g' % v


def show_goals(goals, out):
    if not goals:
        return
    out.write('\n')
    for g in goals:
        out.write(g.words() + '\n')
    verdicts = [g.verdict for g in goals]
    out.write('%d goals met, %d missed, %d too noisy to tell\n' %
              tuple(verdicts.count(v) for v in ('met', 'MISSED', 'NOISY')))
