# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where everything big and reusable is kept: outside of the checkout, so that a
# fresh clone finds it again.  Sourced.

REDO_CACHE=${REDO_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dm-redo}
mkdir -p "$REDO_CACHE"

# with_lock <name> <command...>: one process at a time fills a cache entry; the
# others wait and then find it filled.
with_lock() {
	local name=$1
	shift
	(
		flock 9
		"$@" 9>&-
	) 9>"$REDO_CACHE/.lock-$name"
}

# The version of an installed Debian package
package_version() {
	dpkg-query -W -f '${Version}' "$1"
}
