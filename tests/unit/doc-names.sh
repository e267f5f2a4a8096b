#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Functions, files, KUnit suites and integration cases that the documents name are
# there, and the words of kernel/redo-proto.h are described.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
missing=0

absent() {
	echo "# $1 names $2, which is not there"
	missing=1
}

for doc in Documentation/*.rst README.md; do
	while read -r name; do
		grep -qE "(^|[^a-z_])$name\(" kernel/*.[ch] userspace/lib/*.[ch] || case $name in
		map | end_io) ;;	# device-mapper's
		*) absent "$doc" "$name()" ;;
		esac
	done < <(grep -oE '``[a-z_]+\(\)``' "$doc" | tr -d '`()' | sort -u)
	while read -r name; do
		[[ -e kernel/$name || -e userspace/lib/$name ]] || absent "$doc" "$name"
	done < <(grep -oE 'redo-[a-z-]+\.[ch]\b' "$doc" | sort -u)
	while read -r name; do
		compgen -G "$name*" > /dev/null || absent "$doc" "$name"
	done < <(grep -oE '\b(tests|userspace|Documentation)/[a-z/-]+[a-z]' "$doc" | sort -u)
done

while read -r name; do
	compgen -G "tests/integration/$name-*.sh" > /dev/null ||
		absent Documentation/design.rst "case $name"
done < <(grep -oE '\*[0-9]{3}\*' Documentation/design.rst | tr -d '*' | sort -u)

while read -r name; do
	grep -q "\.name = \"$name\"" tests/kunit/*.c || absent Documentation/design.rst "suite $name"
done < <(grep -oE '``redo-(super|tree|journal|delta|inflight|map|args)``' Documentation/design.rst |
	tr -d '`' | sort -u)

# The other way round: every word of the table line, the status and the messages is
# described.
while read -r word; do
	grep -qE "(^|[^a-z_])$word([^a-z_]|\$)" Documentation/redo.rst || {
		echo "# Documentation/redo.rst does not describe $word"
		missing=1
	}
done < <(grep -E '^#define REDO_(ARG|MODE|SPACE|STATUS|MSG)_' kernel/redo-proto.h |
	grep -o '"[^"]*"' | tr -d '"')

if [[ $missing -ne 0 ]]; then
	echo "not ok 1 - what the documents name exists"
	exit 1
fi
echo "ok 1 - what the documents name exists"
