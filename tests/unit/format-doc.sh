#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The tables of Documentation/on-disk-format.rst against kernel/redo-*format.h: each
# "struct <name>, <size> bytes" with its rows of offset, size and field, each
# constant with its value. Makes a C program of static assertions from the document
# and compiles it.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
doc=Documentation/on-disk-format.rst
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

awk '
	BEGIN { print "#include \"redo-format.h\"\n#include \"redo-cbt-format.h\"" }
	/^struct [a-z_]+, [0-9]+ bytes$/ {
		name = substr($2, 1, length($2) - 1)
		printf "static_assert(sizeof(struct %s) == %s, \"size of %s\");\n", name, $3, name
		structs++
	}
	# a row of a table of fields
	name && /^[0-9]+ +[0-9]+ +[a-z]/ {
		printf "static_assert(offsetof(struct %s, %s) == %s, \"offset of %s.%s\");\n",
			name, $3, $1, name, $3
		printf "static_assert(sizeof(((struct %s *)0)->%s) == %s, \"size of %s.%s\");\n",
			name, $3, $2, name, $3
		covered += $2
	}
	/^(===|---)/ { next }
	# the end of a chapter ends the table
	/^[A-Z]/ { name = "" }
	/^REDO_[A-Z_]+ +[0-9]+ / {
		printf "static_assert(%s == %s, \"%s\");\n", $1, $2, $1
		constants++
	}
	END {
		printf "static_assert(%d == 15, \"structures in the document\");\n", structs
		# every byte of every structure is in a row
		printf "static_assert(%d == sizeof(struct redo_disk_header) + sizeof(struct redo_disk_unit_header) +\n", covered
		print "\tsizeof(struct redo_disk_super) + sizeof(struct redo_disk_label) +"
		print "\tsizeof(struct redo_disk_node) + sizeof(struct redo_disk_alloc) + sizeof(struct redo_disk_unit) +"
		print "\tsizeof(struct redo_disk_journal) + sizeof(struct redo_disk_record) +"
		print "\tsizeof(struct redo_cbt_disk_header) + sizeof(struct redo_cbt_disk_super) +"
		print "\tsizeof(struct redo_cbt_disk_record) + sizeof(struct redo_cbt_disk_table) +"
		print "\tsizeof(struct redo_cbt_disk_mark) + sizeof(struct redo_cbt_disk_journal), \"bytes in the tables\");"
		printf "static_assert(%d >= 33, \"constants in the document\");\n", constants
	}' "$doc" > "$tmp/doc.c"

if ! cc -std=gnu11 -Ikernel -fsyntax-only "$tmp/doc.c" 2> "$tmp/errors"; then
	grep -o 'error:.*' "$tmp/errors" >&2
	echo "not ok 1 - $doc agrees with kernel/redo-format.h"
	exit 1
fi
echo "ok 1 - $doc agrees with kernel/redo-format.h"
