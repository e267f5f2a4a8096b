#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the user-space unit tests into build/unit/bin: each tests/unit/*.c is one
# cmocka program over libredo (or tests/unit/Makefile does it, called with
# BIN=<directory>).

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin=$PWD/build/unit/bin
mkdir -p "$bin"

if [[ -e tests/unit/Makefile ]]; then
	exec make -s -C tests/unit BIN="$bin"
fi

library=$(find "$PWD/userspace" "$PWD/build" -maxdepth 3 -name libredo.a | head -n 1)
libraries=$(pkg-config --libs cmocka json-c devmapper blkid uuid)
for source in tests/unit/*.c; do
	[[ -e $source ]] || continue
	# shellcheck disable=SC2086 # a list of options
	cc -std=gnu11 -g -O1 -Wall -Wextra -fsanitize=address,undefined \
		-Iuserspace/lib -Iuserspace -Ikernel -o "$bin/$(basename "$source" .c)" \
		"$source" $library $libraries
done
