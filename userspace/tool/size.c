// SPDX-License-Identifier: GPL-2.0-or-later
/* Sizes in lvm2's notation. */
#include <ctype.h>
#include <math.h>
#include "tool.h"

static const char letters[] = "bskmgtpe";

/* Bytes of a unit; a capital letter counts in thousands where @si is asked for. */
static u64 factor(char unit, bool si)
{
	char low = (char)tolower((unsigned char)unit);
	const char *p = low ? strchr(letters, low) : NULL;
	u64 base = si && unit != low ? 1000 : 1024, n = 1;

	if (!p)
		return 0;
	if (low == 'b')
		return 1;
	if (low == 's')
		return 512;
	for (; *p != 's'; p--)
		n *= base;
	return n;
}

int parse_size(const char *text, char unit, u64 *bytes)
{
	long double n;
	char *end;
	u64 f;

	/* No signs, blanks, hexadecimal or "inf", all of which strtold takes. */
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return -EINVAL;
	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -EINVAL;
	n = strtold(text, &end);
	if (end == text || n < 0)
		return -EINVAL;
	if (*end) {
		unit = *end++;
		if ((*end == 'i' || *end == 'I') && tolower((unsigned char)end[1]) == 'b')
			end += 2;	/* "64MiB", as lvm2 takes it */
		else if (tolower((unsigned char)*end) == 'b' && tolower((unsigned char)unit) != 'b')
			end++;
		if (*end)
			return -EINVAL;
	}
	f = factor(unit, false);
	n *= f;
	if (!f || n >= 18446744073709551615.0L)
		return -EINVAL;
	*bytes = (u64)n;
	return (long double)*bytes == n ? 0 : -EINVAL;
}

bool valid_unit(const char *text, char *unit)
{
	if (!text[0] || text[1])
		return false;
	*unit = text[0];
	return strchr("hHrR", text[0]) || factor(text[0], true);
}

void format_size(u64 bytes, char unit, char *text, size_t size)
{
	bool si = isupper((unsigned char)unit);
	char low = (char)tolower((unsigned char)unit), letter;
	const char *p;
	double n;

	if (low == 'b' || low == 's') {
		snprintf(text, size, "%llu%c", (unsigned long long)(bytes / factor(low, false)),
			 si ? toupper((unsigned char)low) : low);
		return;
	}
	letter = low;
	if (low == 'h' || low == 'r') {
		for (p = letters + strlen(letters) - 1; *p != 'k'; p--)
			if (bytes >= factor(si ? (char)toupper((unsigned char)*p) : *p, true))
				break;
		letter = *p;
	}
	if (si)
		letter = (char)toupper((unsigned char)letter);
	n = (double)bytes / (double)factor(letter, true);
	if (!bytes)
		snprintf(text, size, "0");
	else
		snprintf(text, size, "%.2f%c", n, letter);
}
