# SPDX-License-Identifier: GPL-2.0-or-later
"""What fio is asked to do."""

from .fio import Run


def rand4k(node, rw, region, cpus=1, depth=32, **more):
    """4 KiB at random; with 2 CPUs each has a thread of its own, and half of the region."""
    offset, size = region
    options = dict(rw=rw, bs='4k', iodepth=depth, offset=offset, size=size // cpus,
                   cpus_allowed='0' if cpus == 1 else '0-%d' % (cpus - 1),
                   cpus_allowed_policy='split')
    if cpus > 1:
        options.update(numjobs=cpus, offset_increment=size // cpus)
    options.update(more)
    return Run(node, **options)


def seq1m(node, rw, region, **more):
    offset, size = region
    options = dict(rw=rw, bs='1m', iodepth=8, offset=offset, size=size, cpus_allowed='0')
    options.update(more)
    return Run(node, **options)
