# SPDX-License-Identifier: GPL-2.0-or-later
"""What dm-redo wants to reach, and how far it is from it."""

NOISE = 0.02	# of a ratio; more where the rounds themselves lie further apart
TOO_NOISY = 0.10	# where they lie as far apart as this, nothing can be said


class Figures:
    """Rows by job, target and depth."""

    def __init__(self, rows, spread):
        self.rows = {(r['job'], r['target'], r['depth']): r for r in rows}
        self.spread = spread

    def ratio(self, job, target='redo', depth=1):
        row = self.rows.get((job, target, depth))
        return row and row['ratio']

    def value(self, job, target='redo', depth=1):
        row = self.rows.get((job, target, depth))
        return row and row['value']

    def noise(self, *keys):
        return max([NOISE] + [self.spread.get(k, 0) for k in keys])


class Goal:
    def __init__(self, text, reached, wanted, least=True, unit='', noise=0):
        self.text, self.reached, self.wanted = text, reached, wanted
        self.least, self.unit, self.noise = least, unit, noise

    @property
    def verdict(self):
        if self.noise > TOO_NOISY:
            return 'NOISY'
        return 'met' if self.met else 'MISSED'

    @property
    def met(self):
        return self.noise <= TOO_NOISY and self._reached()

    def _reached(self):
        return self.reached >= self.wanted if self.least else self.reached <= self.wanted

    def words(self):
        sign = '>=' if self.least else '<='
        away = self.reached - self.wanted
        return '%-6s %-58s %8.3f %s %.3f%s (%+.3f)' % (
            self.verdict, self.text, self.reached, sign, self.wanted,
            self.unit, away)


def _mapped(f, goals):
    for job in 'randread-mapped', 'overwrite-mapped':
        one, deep = f.ratio(job), f.ratio(job, depth=256)
        if one:
            goals.append(Goal(job + ', depth 1', one, 0.90))
        if one and deep:
            noise = f.noise((job, 'redo', 1), (job, 'redo', 256))
            goals.append(Goal('%s, depth 256, no lower than depth 1 within %.3f' % (job, noise),
                              deep, one - noise, noise=noise))


def _scaling(f, goals):
    """How much of dm-linear's gain from a second CPU the target has as well."""
    for job in 'randread-mapped', 'overwrite-mapped':
        one, two = f.ratio(job + '-1of2'), f.ratio(job + '-2cpu')
        if one and two:
            noise = f.noise((job + '-1of2', 'redo', 1), (job + '-2cpu', 'redo', 1))
            goals.append(Goal('%s: second CPU, as dm-linear within %.3f' % (job, noise),
                              two / one, 1 - noise, noise=noise))


def _against_peers(f, goals):
    redo = f.value('first-write-fsync')
    thin = [v for v in (f.value('first-write-fsync', t) for t in ('thin', 'thin-external')) if v]
    snapshot = f.value('first-write-fsync', 'snapshot')
    if redo and thin:
        goals.append(Goal("first-write-fsync, to dm-thin's best", redo / max(thin), 2.0))
    if redo and snapshot:
        goals.append(Goal("first-write-fsync, to dm-snapshot's", redo / snapshot, 1.0))


def _window(f, goals):
    for (job, target, depth) in sorted(f.rows):
        linear = f.value(job, 'linear', 0)
        if job.startswith('snapshot-window') and target == 'redo' and linear:
            goals.append(Goal("%s, depth %d, beyond dm-linear's" % (job, depth),
                              f.value(job, target, depth) - linear, 5.0, False, ' ms'))


def _merges(f, goals):
    for (job, target, depth) in sorted(f.rows):
        if target != 'redo':
            continue
        value, ratio = f.value(job, target, depth), f.ratio(job, target, depth)
        if job in ('delete-all-bytes', 'delete-all-4k-bytes'):
            goals.append(Goal('%s, depth %d' % (job, depth), value, 1.0, False))
        if job == 'delete-all':
            goals.append(Goal('%s, depth %d, to a plain copy' % (job, depth), ratio, 0.80))
        if job in ('delete-all', 'delete-all-4k'):
            others = [v for v in (f.value(job, t, depth) for t in
                                  ('redo-one-by-one', 'snapshot-merge', 'qcow2')) if v]
            if others:
                goals.append(Goal('%s, depth %d, to the best of the others' % (job, depth),
                                  value / max(others), 1.0))
        if job == 'merge-foreground':
            goals.append(Goal('%s, depth %d' % (job, depth), ratio, 0.70))
        if job == 'merge-stall':
            goals.append(Goal('%s, depth %d, longest' % (job, depth), value, 100, False, ' ms'))


def _tracking(f, goals):
    for (job, target, depth) in sorted(f.rows):
        if target != 'redo' or not job.startswith('cbt-'):
            continue
        if job.startswith('cbt-query'):
            goals.append(Goal(job + ', 16 TiB, 1 % changed', f.value(job, target, depth), 100,
                              False, ' ms'))
            continue
        ratio, era = f.ratio(job, target, depth), f.ratio(job, 'era')
        if ratio and 'first-touch' not in job:
            goals.append(Goal(job + ', to the same without tracking', ratio, 0.97))
        if ratio and era:
            goals.append(Goal(job + ", to dm-era's own ratio", ratio / era, 1.0))


def goals_of(rows, spread):
    f, goals = Figures(rows, spread), []
    _mapped(f, goals)
    for job, depth, wanted in (('passthrough-randread', 0, 0.97),
                               ('passthrough-randwrite', 0, 0.97), ('first-write', 1, 0.70)):
        if f.ratio(job, depth=depth):
            goals.append(Goal(job, f.ratio(job, depth=depth), wanted))
    _against_peers(f, goals)
    for job in 'seq-first-write', 'seq-read':
        if f.ratio(job):
            goals.append(Goal(job, f.ratio(job), 0.90))
    _scaling(f, goals)
    _window(f, goals)
    for (job, target, depth) in sorted(f.rows):
        if job == 'activation' and target == 'redo':
            goals.append(Goal('activation, a million grains, depth %d' % depth,
                              f.value(job, target, depth), 0.3, False, ' s'))
    _merges(f, goals)
    _tracking(f, goals)
    for job, most in (('memory-per-grain-dense', 9), ('memory-per-grain-sequential', 0.1)):
        if f.value(job):
            goals.append(Goal(job, f.value(job), most, False, ' B'))
    return goals
