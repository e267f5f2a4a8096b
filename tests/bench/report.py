#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Table, goals, JSON, Markdown and charts from what inside.py has left.

Usage: report.py <JSON to write> <directory for charts, or -> <file of inside.py>...
"""

import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from parts import chart, goals, markdown, rounds, table	# noqa: E402


def write_json(rows, path):
    """One row a line."""
    with open(path, 'w') as f:
        f.write('[\n' + ',\n'.join(json.dumps(row) for row in rows) + '\n]\n')


def main(out, charts, *files):
    taken = rounds.Rounds()
    for name in files:
        with open(name) as f:
            taken.restore(json.load(f))
    rows, spread = taken.rows(), taken.spread()
    reached = goals.goals_of(rows, spread)
    table.show(rows, spread, sys.stdout)
    table.show_goals(reached, sys.stdout)
    write_json(rows, out)
    with open(os.path.splitext(out)[0] + '.md', 'w') as f:
        f.write(markdown.markdown(rows, reached))
    if charts != '-':
        chart.write_charts(rows, charts)


if __name__ == '__main__':
    main(*sys.argv[1:])
