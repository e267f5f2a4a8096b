#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The tables of Documentation/backup-stream.rst against userspace/lib/backup-format.h: as
# format-doc.sh does it for the deltas.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
doc=Documentation/backup-stream.rst
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

awk '
	BEGIN { print "#include \"backup-format.h\"" }
	/^struct [a-z_]+, [0-9]+ bytes$/ {
		name = substr($2, 1, length($2) - 1)
		printf "static_assert(sizeof(struct %s) == %s, \"size of %s\");\n", name, $3, name
		structs++
		next_offset = 0
	}
	# rows follow each other without a gap
	name && /^[0-9]+ +[0-9]+ +[a-z]/ {
		printf "static_assert(offsetof(struct %s, %s) == %s, \"offset of %s.%s\");\n",
			name, $3, $1, name, $3
		printf "static_assert(sizeof(((struct %s *)0)->%s) == %s, \"size of %s.%s\");\n",
			name, $3, $2, name, $3
		printf "static_assert(%d == %s, \"gap before %s.%s\");\n", next_offset, $1, name, $3
		next_offset = $1 + $2
	}
	/^(===|---)/ { next }
	/^[A-Z]/ {
		if (name)
			printf "static_assert(sizeof(struct %s) == %d, \"rows of %s\");\n",
				name, next_offset, name
		name = ""
	}
	/^REDO_[A-Z_]+ +[0-9]+/ {
		printf "static_assert(%s == %s, \"%s\");\n", $1, $2, $1
		constants++
	}
	/``RDB[A-Z]``/ {
		while (match($0, /``RDB[A-Z]``/)) {
			magics[substr($0, RSTART + 5, 1)] = 1
			$0 = substr($0, RSTART + RLENGTH)
		}
	}
	END {
		printf "static_assert(%d == 3 && %d == 3, \"tables in the document\");\n",
			structs, constants
		for (m in magics)
			list = list m
		printf "static_assert(sizeof(\"%s\") == 5, \"magics\");\n", list
	}' "$doc" > "$tmp/doc.c"

if ! cc -std=gnu11 -Iuserspace/lib -fsyntax-only "$tmp/doc.c" 2> "$tmp/errors"; then
	grep -o 'error:.*' "$tmp/errors" >&2
	echo "not ok 1 - $doc agrees with userspace/lib/backup-format.h"
	exit 1
fi
echo "ok 1 - $doc agrees with userspace/lib/backup-format.h"
