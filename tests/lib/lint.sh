#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# checkpatch, from Debian's linux-source, over the kernel module's sources.
# Its exit status is checkpatch's: errors and warnings both count.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tree=$("$top/tests/guest/build-uml.sh")

# LINUX_VERSION_CODE: the compat header of an out-of-tree module is made of it.
# FILE_PATH_CHANGES, CONFIG_DESCRIPTION: about patches, not files.
# What is filtered is spdxcheck's: it wants the kernel's git repository.
perl "$tree/scripts/checkpatch.pl" --root="$tree" --file --terse --no-summary \
	--show-types --max-line-length=100 \
	--ignore LINUX_VERSION_CODE,FILE_PATH_CHANGES,CONFIG_DESCRIPTION \
	"$top"/kernel/*.[ch] 2> >(grep -vE 'spdxcheck|import lex|Traceback|named .ply' >&2)
