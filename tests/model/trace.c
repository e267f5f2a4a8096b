// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "trace.h"

u64 trace_add_op(struct trace *t, const struct trace_op *op)
{
	if (t->nr_ops >= t->ops_room) {
		t->ops_room = t->ops_room ? 2 * t->ops_room : 1024;
		t->op = xrealloc(t->op, t->ops_room * sizeof(*t->op));
	}
	t->op[t->nr_ops] = *op;
	return t->nr_ops++;
}

u64 trace_add_event(struct trace *t, enum trace_event_kind kind, u32 chain, u64 arg)
{
	struct trace_event *e;

	if (t->nr_events >= t->events_room) {
		t->events_room = t->events_room ? 2 * t->events_room : 1024;
		t->event = xrealloc(t->event, t->events_room * sizeof(*t->event));
	}
	e = &t->event[t->nr_events];
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->chain = chain;
	e->arg = arg;
	e->marked = TRACE_NEVER;
	return t->nr_events++;
}

u32 trace_rank(const struct trace *t, int delta)
{
	u32 rank = 0;
	int i;

	for (i = 0; i <= delta; i++)
		rank += t->delta[i].chain == t->delta[delta].chain;
	return rank;
}

static FILE *open_file(const char *dir, const char *name, const char *mode)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, mode);

	if (!f)
		die_errno("%s", path);
	free(path);
	return f;
}

static void put(FILE *f, const void *p, size_t len)
{
	if (fwrite(p, 1, len, f) != len)
		die_errno("writing the trace");
}

static void get(FILE *f, void *p, size_t len)
{
	if (fread(p, 1, len, f) != len)
		die("the trace is too short");
}

void trace_save(const struct trace *t, const char *dir, const void *log, u64 log_bytes)
{
	FILE *f;
	u32 i;

	if (mkdir(dir, 0777) && errno != EEXIST)
		die_errno("mkdir %s", dir);
	f = open_file(dir, "trace", "w");
	put(f, t, sizeof(*t));
	put(f, t->op, t->nr_ops * sizeof(*t->op));
	put(f, t->event, t->nr_events * sizeof(*t->event));
	for (i = 0; i < t->nr_deltas; i++)
		put(f, t->delta[i].content, t->layout.base_sectors * sizeof(u32));
	fclose(f);
	f = open_file(dir, "log", "w");
	put(f, log, log_bytes);
	fclose(f);
}

static void *load_log(const char *dir, u64 *log_bytes)
{
	FILE *f = open_file(dir, "log", "r");
	void *log;

	fseek(f, 0, SEEK_END);
	*log_bytes = ftell(f);
	rewind(f);
	log = xmalloc(*log_bytes);
	get(f, log, *log_bytes);
	fclose(f);
	return log;
}

void *trace_load(struct trace *t, const char *dir, u64 *log_bytes)
{
	FILE *f = open_file(dir, "trace", "r");
	u32 i;

	get(f, t, sizeof(*t));
	t->op = xcalloc(t->nr_ops, sizeof(*t->op));
	get(f, t->op, t->nr_ops * sizeof(*t->op));
	t->event = xcalloc(t->nr_events, sizeof(*t->event));
	get(f, t->event, t->nr_events * sizeof(*t->event));
	for (i = 0; i < t->nr_deltas; i++) {
		t->delta[i].content = xcalloc(t->layout.base_sectors, sizeof(u32));
		get(f, t->delta[i].content, t->layout.base_sectors * sizeof(u32));
	}
	fclose(f);
	return load_log(dir, log_bytes);
}
