// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup cbt mark, list, drop: change ids of a live chain. */
#include "rows.h"

#define CHANGE_FIELDS	"id,begun,kind,label,snapshots,current"

int timeout_option(struct redo_tracker_wait *w)
{
	unsigned long n;

	*w = (struct redo_tracker_wait){ .timeout_ms = 60000 };
	if (!opts.timeout)
		return 0;
	errno = 0;
	n = strtoul(opts.timeout, NULL, 10);
	if (errno || n > 4000000)
		return redo_err(EINVAL, "--timeout %s: too many seconds", opts.timeout);
	w->timeout_ms = (unsigned int)n * 1000;
	return 0;
}

int open_tracked(struct tracked *k, const char *name)
{
	struct redo_tracker_wait wait;
	int r = redo_dm_present() ? timeout_option(&wait) : -ENODEV;

	if (!r)
		r = scan(&k->set);
	if (r)
		return r;
	k->c = need_chain(&k->set, name);
	if (!k->c)
		return -ENOENT;
	if (!k->c->dm_name[0])
		return redo_err(ENXIO, "%s: not active; 'redosetup activate %s' first", k->c->name,
				k->c->name);
	r = redo_tracker_open(k->c->dm_name, &k->t);
	if (!r)
		redo_tracker_set_wait(k->t, &wait);
	return r;
}

void close_tracked(struct tracked *k)
{
	redo_tracker_close(k->t);
	redo_set_free(&k->set);
	free_texts();
}

/* A change id as it is, or that of <chain>@<snap>. */
int resolve_id(struct tracked *k, const char *text, char *id)
{
	char chain[REDO_NAME_SIZE], snap[REDO_NAME_SIZE], uuid[REDO_UUID_STR_SIZE];
	const struct redo_chain *c;
	u64 number;
	int r;

	if (!redo_change_id_parse(text, uuid, &number)) {
		redo_change_id_format(id, uuid, number);
		return 0;
	}
	if (!strchr(text, '@'))
		return redo_err(EINVAL, "%s: neither a change id nor <chain>@<snapshot>", text);
	r = split_point(text, chain, snap);
	if (r)
		return r;
	c = need_chain(&k->set, chain);
	return c ? point_id(&k->set, c, snap, id) : -ENOENT;
}

/* mark ------------------------------------------------------------------------------------ */

static int mark(struct tracked *k)
{
	char id[REDO_CHANGE_ID_SIZE];
	int r;

	if (redo_step("begin a new epoch of %s", k->c->name))
		return 0;
	r = redo_tracker_mark(k->t, opts.label, id);
	if (!r)
		say("%s", id);
	return r;
}

int cmd_cbt_mark(const struct command *c, int argc __unused, char **argv)
{
	struct tracked k = { .c = NULL };
	int r;

	if (opts.label && !redo_change_label_valid(opts.label))
		return usage_error(c, "--label %s: 1 to %u printable characters without spaces and commas, and not -",
				   opts.label, REDO_CHANGE_LABEL_SIZE - 1);
	r = open_tracked(&k, argv[0]);
	if (!r)
		r = mark(&k);
	close_tracked(&k);
	return r;
}

/* list ------------------------------------------------------------------------------------ */

struct list {
	struct tracked k;
	u8 uuid[REDO_UUID_SIZE];
	struct change_row *row;
	u32 nr;
};

/* Points whose content was there when the epoch began. */
static const char *snapshots_at(const struct list *l, u64 number)
{
	const char *names = "";

	for (u32 i = 0; i < l->k.set.nr_nodes; i++) {
		const struct redo_node *n = &l->k.set.node[i];
		u64 first, last;

		if (names_a_point(n) && !redo_node_point_id(n, l->uuid, &first, &last) &&
		    (first == number || last == number))
			names = keep("%s%s%s@%s", names, *names ? "," : "", n->chain,
				     n->label.snap_name);
	}
	return names;
}

static int add_row(void *ctx, const struct redo_change *c)
{
	struct list *l = ctx;
	struct change_row *row = realloc(l->row, (l->nr + 1) * sizeof(*row));

	if (!row)
		return redo_err(ENOMEM, "out of memory");
	l->row = row;
	l->row[l->nr++] = (struct change_row){
		.chain = l->k.c->name, .id = keep("%s", c->id), .kind = keep("%s", c->kind),
		.label = keep("%s", c->label), .begun = time_text(c->time),
		.snapshots = snapshots_at(l, c->number), .current = c->current ? "current" : "",
		.number = c->number, .first = c->first,
	};
	return 0;
}

int cmd_cbt_list(const struct command *c __unused, int argc __unused, char **argv)
{
	struct redo_tracker_info info;
	struct list l = { .nr = 0 };
	int r = open_tracked(&l.k, argv[0]);

	if (!r)
		r = redo_tracker_get_info(l.k.t, &info);
	if (!r) {
		redo_uuid_parse(info.uuid, l.uuid);
		r = redo_tracker_list(l.k.t, add_row, &l);
	}
	if (!opts.sort)
		opts.sort = "number";
	if (!r)
		r = report_rows(REPORT_CHANGE, "change", l.row, l.nr, sizeof(*l.row),
				CHANGE_FIELDS, false);
	free(l.row);
	close_tracked(&l.k);
	return r;
}

/* drop ------------------------------------------------------------------------------------ */

static int drop(struct tracked *k, const char *id)
{
	int r;

	if (redo_step("drop the change id %s", id))
		return 0;
	r = redo_tracker_drop(k->t, id);
	switch (r) {
	case -EBUSY:
		return redo_err(EBUSY, "%s: is where the current epoch begins, which takes the marks; 'redosetup cbt mark %s' begins another one",
				id, k->c->name);
	case -ESTALE:
		return redo_err(ESTALE, "%s: is dropped already, or forgotten; 'redosetup cbt list %s' has those that are left",
				id, k->c->name);
	}
	return r;
}

int cmd_cbt_drop(const struct command *c __unused, int argc, char **argv)
{
	struct tracked k = { .c = NULL };
	int r = open_tracked(&k, argv[0]);

	for (int i = 1; !r && i < argc; i++) {
		char id[REDO_CHANGE_ID_SIZE];

		r = resolve_id(&k, argv[i], id);
		if (!r)
			r = drop(&k, id);
	}
	close_tracked(&k);
	return r;
}
