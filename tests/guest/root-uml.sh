#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first process of a UML guest.  The root is the host's through hostfs,
# read-only; puts an overlay on tmpfs over it and goes on in there.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
set -e

# /mnt is only a place that every Debian has
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
mkdir -p "/mnt/root/$REDO_RESULTS"
mount -t hostfs -o "$REDO_RESULTS" none "/mnt/root/$REDO_RESULTS"

. "$REDO_RESULTS/environment"
cd /mnt/root
mount -n --move . /
exec chroot . "$REDO_TOP/tests/guest/init.sh"
