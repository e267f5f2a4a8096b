#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first process of a QEMU guest, in its initramfs.  The root is the host's
# over 9p, read-only; puts an overlay on tmpfs over it and goes on in there.
# The kernel passes REDO_RESULTS and REDO_TOP from its command line.

/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev

while read -r module; do
	insmod "/modules/$module"
done < /modules/order

# cache=loose: nobody changes the host's files while a guest runs.  The results
# directory is read by the host at any time, so it has no cache.
options=trans=virtio,version=9p2000.L,msize=1048576
mount -t 9p -o "ro,cache=loose,$options" host /host
mount -t tmpfs -o mode=755 tmpfs /tmp
mkdir /tmp/upper /tmp/work
mount -t overlay -o lowerdir=/host,upperdir=/tmp/upper,workdir=/tmp/work overlay /root
mkdir -p "/root$REDO_RESULTS"
mount -t 9p -o "rw,cache=none,$options" results "/root$REDO_RESULTS"

umount /proc
export REDO_RESULTS
exec switch_root /root "$REDO_TOP/tests/guest/init.sh"
