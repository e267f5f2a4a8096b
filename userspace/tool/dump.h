/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DUMP_H
#define DUMP_H

#include "tool.h"

/* dump-json.c */
void dump_text(struct json_object *o, const char *key, const char *text);
void dump_u64(struct json_object *o, const char *key, u64 n);
void dump_hex(struct json_object *o, const char *key, u64 n);
void dump_uuid(struct json_object *o, const char *key, const u8 *uuid);

/* dump-store.c: a tracking store */
int dump_store(const struct redo_file *f, struct json_object *root);

#endif /* DUMP_H */
