# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured, round by round, and what is made of it: medians and ratios."""

from statistics import median


class Rounds:
    """values[job, target, depth]: a list with one value a round."""

    def __init__(self, show=print):
        self.values, self.units, self.show = {}, {}, show

    def add(self, job, target, depth, value, unit):
        self.values.setdefault((job, target, depth), []).append(value)
        self.units[job] = unit
        self.show('%-28s %-16s %4d %12.4g %s' % (job, target, depth, value, unit))

    def dump(self):
        return [[*key, self.units[key[0]], values] for key, values in self.values.items()]

    def restore(self, dumped):
        for job, target, depth, unit, values in dumped:
            self.values[job, target, depth] = values
            self.units[job] = unit

    def ratios(self, key):
        """To dm-linear in the same round."""
        reference = self.values.get((key[0], 'linear', 0), ())
        return [v / r for v, r in zip(self.values[key], reference)]

    def rows(self):
        """What build/bench.json holds."""
        rows = []
        for key, values in self.values.items():
            ratios = self.ratios(key)
            rows.append({'job': key[0], 'target': key[1], 'depth': key[2],
                         'value': round(median(values), 6), 'unit': self.units[key[0]],
                         'ratio': round(median(ratios), 4) if ratios else None})
        return rows

    def spread(self):
        """How far the ratios of a row lie apart: half of the whole range."""
        return {key: (max(r) - min(r)) / 2 for key in self.values
                for r in [self.ratios(key)] if r}
