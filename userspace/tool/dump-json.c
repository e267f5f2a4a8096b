// SPDX-License-Identifier: GPL-2.0-or-later
/* Members of what is dumped. */
#include "dump.h"

void dump_text(struct json_object *o, const char *key, const char *text)
{
	char clean[REDO_TEXT_SIZE];

	redo_copy_clean(clean, text, sizeof(clean));
	json_object_object_add(o, key, json_object_new_string(clean));
}

void dump_u64(struct json_object *o, const char *key, u64 n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

void dump_hex(struct json_object *o, const char *key, u64 n)
{
	char text[24];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)n);
	json_object_object_add(o, key, json_object_new_string(text));
}

void dump_uuid(struct json_object *o, const char *key, const u8 *uuid)
{
	char text[REDO_UUID_STR_SIZE];

	redo_uuid_str(uuid, text);
	json_object_object_add(o, key, json_object_new_string(text));
}
