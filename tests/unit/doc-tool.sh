#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Documentation/redosetup.8 against the tool's own tables: every command has its place
# in the synopsis and a paragraph, every option one.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
page=Documentation/redosetup.8
tool=userspace/tool/redosetup.c
missing=0

absent() {
	echo "# $page has no $1"
	missing=1
}

commands=$(sed -n 's/^\t{ "\([a-z ]*\)", cmd_.*/\1/p' $tool)
options=$(sed -n "s/^\t{ '.', \"\([a-z-]*\)\", .*/\1/p" $tool)
[[ $(wc -w <<< "$commands") -ge 14 && $(wc -w <<< "$options") -ge 30 ]] ||
	absent 'table to compare with'
# after .TP a line of the command; the options, wherever they stand in such a line
heads=$(sed 's/\\-/-/g; s/\\f.//g' $page | awk 'tp { print; tp = 0 } /^\.TP/ { tp = 1 }')
while read -r command; do
	grep -qx "\.B redosetup $command" $page || absent "$command in the synopsis"
	grep -qE "^\.B[IR]? $command( |\$)" <<< "$heads" || absent "paragraph of $command"
done <<< "$commands"
for option in $options; do
	grep -qE -- "--$option([^a-z-]|\$)" <<< "$heads" || absent "paragraph of --$option"
done

if [[ $missing -ne 0 ]]; then
	echo "not ok 1 - every command and option is in $page"
	exit 1
fi
echo "ok 1 - every command and option is in $page"
