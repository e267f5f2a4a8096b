#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Inside a guest: one test case, with a mutant alive.
#
# Usage: job-case.sh --mutant NAME <case>

set -uo pipefail

export REDO_KERNEL=lean
echo -n "$2" > /sys/module/dm_redo/parameters/mutate || exit 2
"$REDO_TOP/tests/guest/inside.sh" "$REDO_TOP/tests/integration/$3.sh" || exit 2
cat "$REDO_RESULTS/results" "$REDO_RESULTS/$3.log"
case $(< "$REDO_RESULTS/results") in
PASS*)	exit 0 ;;
FAIL*)	echo "FAILED: $(tail -n 1 "$REDO_RESULTS/$3.log")"; exit 1 ;;
*)	exit 2 ;;
esac
