# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured, round by round, and what is made of it: medians and ratios."""

from statistics import median


# What a job's ratios are to; of the same depth, and of the others: dm-linear.
REFERENCE = {'delete-all': 'copy', 'delete-all-4k': 'copy', 'merge-foreground': 'no-merge'}
TRACKING = 'cbt-'	# a chain's to one without tracking
BYTES = 'delete-all-bytes', 'delete-all-4k-bytes'	# ratios as they are
WORST = 'merge-stall', *BYTES	# the worst round counts, not the middle one


class Rounds:
    """
    values[job, target, depth]: a list with one value a round; details: lists of more
    that belongs to it, by name.
    """

    def __init__(self, show=print):
        self.values, self.details, self.units, self.show = {}, {}, {}, show

    def add(self, job, target, depth, value, unit, **details):
        key = job, target, depth
        self.values.setdefault(key, []).append(value)
        for name, v in details.items():
            self.details.setdefault(key, {}).setdefault(name, []).append(v)
        self.units[job] = unit
        self.show('%-28s %-16s %4d %12.4g %s' % (job, target, depth, value, unit))

    def dump(self):
        return [[*key, self.units[key[0]], values, self.details.get(key, {})]
                for key, values in self.values.items()]

    def restore(self, dumped):
        for job, target, depth, unit, values, details in dumped:
            self.values[job, target, depth] = values
            self.details[job, target, depth] = details
            self.units[job] = unit

    def ratios(self, key):
        """To the reference in the same round."""
        if key[0] in BYTES:
            return self.values[key]
        reference = self.values.get(self._reference(*key), ())
        return [v / r for v, r in zip(self.values[key], reference)]

    @staticmethod
    def _reference(job, target, depth):
        if job in REFERENCE:
            return job, REFERENCE[job], depth
        if job.startswith(TRACKING) and target == 'redo':
            return job, 'off', depth
        return job, 'linear', 0

    def _row(self, key, values):
        ratios, one = self.ratios(key), max if key[0] in WORST else median
        row = {'job': key[0], 'target': key[1], 'depth': key[2],
               'value': round(one(values), 6),
               'unit': self.units[key[0]], 'ratio': round(one(ratios), 4) if ratios else None}
        for name, v in self.details.get(key, {}).items():
            row[name] = round((max if name == 'max' else median)(v), 6)
        return row

    def rows(self):
        """What build/bench.json holds."""
        jobs = list(dict.fromkeys(key[0] for key in self.values))
        return [self._row(key, values) for key, values in
                sorted(self.values.items(), key=lambda item: jobs.index(item[0][0]))]

    def spread(self):
        """How far the ratios of a row lie apart: half of the whole range."""
        return {key: (max(r) - min(r)) / 2 for key in self.values
                for r in [self.ratios(key)] if r}
