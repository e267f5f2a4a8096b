// SPDX-License-Identifier: GPL-2.0-or-later
/* What libredo reads as text from the kernel or the user. Input: which, then the text. */
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

static int on_range(void *ctx, u64 start, u64 sectors)
{
	++*(u64 *)ctx;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redo_status status;
	struct redo_table *table;
	u64 items = 0, next;
	bool more;
	char *text;

	if (size < 1)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		redo_status_parse(text, &status);
		break;
	case 1:
		redo_allocated_parse(text, on_range, &items, &more, &next);
		break;
	case 2:
		table = malloc(sizeof(*table));
		if (!redo_table_parse(text, table))
			free(redo_table_format(table));
		free(table);
		break;
	case 3:
		redo_name_valid(text);
		break;
	}
	free(text);
	return 0;
}
