#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the user-space unit tests, with sanitizers, into build/unit/bin: each
# tests/unit/*_test.c is one cmocka program over libredo.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
objects=$PWD/build/userspace-asan
bin=$PWD/build/unit/bin

programs=()
for source in tests/unit/*_test.c; do
	programs+=("$objects/unit/$(basename "$source" .c)")
done

make -s -C userspace SANITIZE=1 STRICT=1 O="$objects" "${programs[@]}"

# Programs whose source went stay behind otherwise.
rm -rf "$bin"
mkdir -p "$bin"
ln -s "${programs[@]}" "$bin"
