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

struct changes {
	struct redo_tracker_info info;
	u64 last;
};

static int on_change(void *ctx, const struct redo_change *change)
{
	char uuid[REDO_UUID_STR_SIZE];
	struct changes *c = ctx;
	u64 number;

	must(change->first > c->last && change->first <= change->number);
	c->last = change->number;
	must(!redo_change_id_parse(change->id, uuid, &number) && number == change->number);
	must(strlen(change->kind) && strlen(change->label) < REDO_CHANGE_LABEL_SIZE);
	return 0;
}

static void change_list(const char *text)
{
	struct changes c = { .last = 0 };
	bool more;
	u64 next;

	if (redo_changes_parse(text, &c.info, on_change, &c, &more, &next))
		return;
	must(c.info.block_bytes && c.info.current >= c.last);
	must(redo_uuid_text_valid(c.info.uuid));
}

static void change_id(const char *text)
{
	char uuid[REDO_UUID_STR_SIZE], id[REDO_CHANGE_ID_SIZE];
	u64 number, again;

	if (redo_change_id_parse(text, uuid, &number)) {
		must(!*uuid);
		return;
	}
	redo_change_id_format(id, uuid, number);
	must(!redo_change_id_parse(id, uuid, &again) && number == again);
}

/* What was said about it is gone, and what is said now can be read again. */
static void features(const char *text)
{
	char args[256];

	redo_features_cbt(text);
	redo_copy(args, text, sizeof(args));
	if (redo_features_track(args, sizeof(args), REDO_TRACK, 0xfd05))
		return;
	must(redo_features_cbt(args) == 0xfd05);
	must(!redo_features_track(args, sizeof(args), REDO_TRACK_NOT, 0));
	must(!redo_features_cbt(args));
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
	switch (data[0] % 8) {
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
	case 4:
		change_list(text);
		break;
	case 5:
		change_id(text);
		break;
	case 6:
		features(text);
		break;
	case 7:
		redo_change_label_valid(text);
		break;
	}
	free(text);
	return 0;
}
