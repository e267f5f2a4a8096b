#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `make install` of user space puts where; the library, used by a program; and the
# units for systemd: that they name the program that was installed, can be enabled, and
# wait for nothing that waits for them, also with a mount as README.md advises it.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0

# check <number> <text> <function>
check() {
	: > "$tmp/log"
	if "$3" > "$tmp/out" 2>&1; then
		echo "ok $1 - $2"
	else
		sed 's/^/# /' "$tmp/out" "$tmp/log"
		echo "not ok $1 - $2"
		status=1
	fi
}

# Not into PREFIX: the files of a package
files() {
	make -s -C userspace install DESTDIR="$tmp/root" > "$tmp/log" 2>&1 &&
	(cd "$tmp/root/usr/local" && find . ! -type d | sed 's|^\./||' | LC_ALL=C sort) > "$tmp/files" &&
	{
		printf 'include/%s.h\n' libredo redo-backup
		printf 'lib/%s\n' libredo.a libredo.so{,.0,.0.1.0} pkgconfig/libredo.pc
		pkg-config --exists nbdkit && echo lib/nbdkit/plugins/nbdkit-redo-plugin.so
		printf 'lib/systemd/system/dm-redo-%s.service\n' activate shutdown
		echo sbin/redosetup
		echo share/man/man8/redosetup.8
		# each command of the tool's own has a page
		commands | sed 's|.*|share/man/man8/redosetup-&.8|'
	} | LC_ALL=C sort | diff - "$tmp/files"
}

commands() {
	sed -n 's/^\t{ "\([a-z]*\)[a-z ]*", cmd_.*/\1/p' userspace/tool/redosetup.c | uniq
}

units() {
	local unit
	for unit in activate shutdown; do
		grep -qE '^Exec[A-Za-z]*=-?/usr/local/sbin/redosetup ' \
			"$tmp/root/usr/local/lib/systemd/system/dm-redo-$unit.service" || return
	done
}

enabled() {
	local unit
	systemctl --root="$tmp/root" enable dm-redo-activate.service > "$tmp/log" 2>&1 || return
	for unit in activate shutdown; do
		[[ -L $tmp/root/etc/systemd/system/local-fs.target.wants/dm-redo-$unit.service ]] ||
			return
	done
}

# The whole of a start, for which the program has to be where the unit says.
verified() {
	local dir=$tmp/usr/lib/systemd/system
	make -s -C userspace install PREFIX="$tmp/usr" > "$tmp/log" 2>&1 || return
	cat > "$dir/srv.mount" <<-'END'
		[Unit]
		Requires=dm-redo-activate.service
		After=dm-redo-activate.service
		Before=local-fs.target
		[Mount]
		What=/dev/mapper/web
		Where=/srv
	END
	cat > "$dir/boot.target" <<-'END'
		[Unit]
		Wants=dm-redo-activate.service dm-redo-shutdown.service srv.mount
		Wants=local-fs.target sysinit.target
	END
	systemd-analyze verify --man=no "$dir"/*.service "$dir"/{srv.mount,boot.target} \
		> "$tmp/log" 2>&1 && [[ ! -s $tmp/log ]]
}

# What pkg-config says is enough for a program that uses the library.
used() {
	local flags
	cat > "$tmp/use.c" <<-'END'
		#include <libredo.h>
		int main(void)
		{
			struct redo_status s;

			return redo_status_parse("passthrough 0 0 0 0 0 0 0 0/0 ok 0 0 0 -", &s);
		}
	END
	make -s -C userspace install PREFIX="$tmp/usr" > "$tmp/log" 2>&1 || return
	flags=$(PKG_CONFIG_PATH=$tmp/usr/lib/pkgconfig pkg-config --cflags --libs libredo) || return
	# shellcheck disable=SC2086 # a list of words
	cc -Wall -Werror -o "$tmp/use" "$tmp/use.c" $flags > "$tmp/log" 2>&1 &&
		LD_LIBRARY_PATH=$tmp/usr/lib "$tmp/use"
}

check 1 'make install: the files' files
check 2 'a program that is built with what pkg-config says' used
check 3 'the units name the program that is installed' units
if [[ -x $(type -P systemctl) ]]; then
	check 4 'systemctl enable' enabled
else
	echo 'ok 4 - systemctl enable # SKIP no systemctl here'
fi
if [[ -x $(type -P systemd-analyze) ]]; then
	check 5 'systemd-analyze verify' verified
else
	echo 'ok 5 - systemd-analyze verify # SKIP no systemd-analyze here'
fi
# What was made for another PREFIX is made anew
make -s -C userspace > /dev/null
exit $status
