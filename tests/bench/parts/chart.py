# SPDX-License-Identifier: GPL-2.0-or-later
"""Bar charts of ratios as SVG: one group of bars a job, one bar a target and depth."""

import os
from xml.sax.saxutils import escape

COLOURS = ('#9aa0a6', '#1a5fb4', '#3584e4', '#62a0ea', '#99c1f1', '#e66100', '#f5a15b',
           '#813d9c', '#c061cb', '#26a269', '#a51d2d')
BAR, GAP, HEIGHT, LEFT, TOP, BOTTOM = 16, 22, 220, 46, 46, 34


def _label(row):
    return row['target'] + (' %d' % row['depth'] if row['target'] == 'redo' else '')


def _text(x, y, text, **more):
    extra = ''.join(' %s="%s"' % (k.replace('_', '-'), v) for k, v in more.items())
    return '<text x="%.1f" y="%.1f"%s>%s</text>' % (x, y, extra, escape(text))


class Chart:
    def __init__(self, title, rows, jobs):
        self.title = title
        self.groups = [(job, [r for r in rows if r['job'] == job and r['ratio'] is not None])
                       for job in jobs]
        self.groups = [(job, group) for job, group in self.groups if group]
        self.labels = []
        for _, group in self.groups:
            for row in group:
                if _label(row) not in self.labels:
                    self.labels.append(_label(row))
        self.top = max([1.0] + [r['ratio'] for _, group in self.groups for r in group]) * 1.08

    def y(self, ratio):
        return TOP + HEIGHT * (1 - ratio / self.top)

    def colour(self, row):
        return COLOURS[self.labels.index(_label(row)) % len(COLOURS)]

    def _axis(self, width):
        out = []
        for tenth in range(0, int(self.top * 10) + 1, 2):
            y = self.y(tenth / 10)
            out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="%s"/>' %
                       (LEFT, width - 8, y, y, '#000' if tenth in (0, 10) else '#ddd'))
            out.append(_text(LEFT - 6, y + 4, '%.1f' % (tenth / 10), text_anchor='end'))
        return out

    def _bars(self):
        out, x = [], LEFT + GAP / 2
        for job, group in self.groups:
            start = x
            for row in group:
                y = self.y(row['ratio'])
                out.append('<rect x="%.1f" y="%.1f" width="%d" height="%.1f" fill="%s">'
                           '<title>%s, %s: %.3f</title></rect>' %
                           (x, y, BAR - 2, self.y(0) - y, self.colour(row), escape(job),
                            escape(_label(row)), row['ratio']))
                out.append(_text(x + BAR / 2 - 1, y - 3, ('%.2f' % row['ratio']).lstrip('0'),
                                 text_anchor='middle', font_size=8))
                x += BAR
            x = max(x, start + 6.2 * len(job))
            out.append(_text((start + x) / 2, self.y(0) + 16, job, text_anchor='middle'))
            x += GAP
        return out, x

    def _legend(self):
        out, x, y = [], LEFT, TOP + HEIGHT + BOTTOM
        for i, label in enumerate(self.labels):
            out.append('<rect x="%.1f" y="%.1f" width="10" height="10" fill="%s"/>' %
                       (x, y - 9, COLOURS[i % len(COLOURS)]))
            out.append(_text(x + 14, y, label))
            x += 26 + 6.4 * len(label)
        return out, x

    def svg(self):
        bars, width = self._bars()
        legend, legend_width = self._legend()
        width = int(max(width, legend_width, 7 * len(self.title) + LEFT)) + 8
        height = TOP + HEIGHT + BOTTOM + 12
        lines = ['<?xml version="1.0" encoding="UTF-8"?>',
                 '<!-- SPDX-License-Identifier: GPL-2.0-or-later -->',
                 '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
                 'viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">' %
                 (width, height, width, height),
                 '<rect width="100%" height="100%" fill="#fff"/>',
                 _text(LEFT, 20, self.title, font_size=13, font_weight='bold')]
        return '\n'.join(lines + self._axis(width) + bars + legend + ['</svg>']) + '\n'


CHARTS = (
    ('bench-mapped', 'Grains that are mapped, by depth of the chain: ratio to dm-linear',
     ('randread-mapped', 'overwrite-mapped', 'randread-cold', 'passthrough-randread',
      'passthrough-randwrite')),
    ('bench-first-write', 'First writes and sequential: ratio to dm-linear',
     ('first-write', 'first-write-fsync', 'seq-first-write', 'seq-read')),
)


def write_charts(rows, directory):

    for name, title, jobs in CHARTS:
        chart = Chart(title, rows, jobs)
        if chart.groups:
            with open(os.path.join(directory, name + '.svg'), 'w') as f:
                f.write(chart.svg())
