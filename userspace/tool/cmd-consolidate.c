// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * redosetup consolidate: ends what was begun, and drops what is left over. Also the
 * place to hold and steer a merge at work.
 */
#include "rows.h"

struct con {
	struct redo_set set;
	struct redo_chain *c;
	struct merge_job job;
	bool did;		/* there was something to do */
};

/* Steering: --pause, --resume, --throttle ------------------------------------------- */

static int steer(struct con *k, const struct redo_merge_status *m)
{
	const char *dm = k->c->dm_name;
	int r = 0;

	if (opts.throttle && !redo_step("throttle merges of %s to %s", dm, opts.throttle))
		r = redo_chain_merge_throttle(dm, opts.throttle);
	if (!r && (opts.pause || opts.resume) && !merge_at_work(m))
		return redo_err(ENOENT, "%s: no merge is at work", k->c->name);
	if (!r && opts.pause && !redo_step("pause the merge of %s", dm))
		r = redo_chain_merge_pause(dm);
	if (!r && opts.resume && !redo_step("let the merge of %s go on", dm))
		r = redo_chain_merge_resume(dm);
	return r;
}

/* Finishing ----------------------------------------------------------------------------- */

static int wake(struct con *k, const struct redo_merge_status *m)
{
	if (m->run != REDO_MERGE_RUN_PAUSED && m->run != REDO_MERGE_RUN_HELD &&
	    m->run != REDO_MERGE_RUN_FAILED)
		return 0;
	return redo_step("let the merge of %s go on", k->job.dm_name) ? 0 :
	       redo_chain_merge_resume(k->job.dm_name);
}

static int finish_live(struct con *k)
{
	struct redo_status s;
	int r = merge_bring_up(&k->job, 0);

	if (!r)
		r = redo_chain_status(k->job.dm_name, &s);
	if (r || (s.merge.run == REDO_MERGE_RUN_NONE && !k->job.private))
		return r;
	k->did = true;
	r = wake(k, &s.merge);
	return r ? r : merge_finish(&k->job);
}

static int finish_offline(struct con *k)
{
	struct redo_status s;
	u64 base;
	int r;

	if (!merge_begun(&k->set, k->c))
		return 0;
	if (k->c->problem[0])
		return redo_err(EINVAL, "%s: %s", k->c->name, k->c->problem);
	k->did = true;
	r = base_of(&k->set, k->c, &base);
	if (!r)
		r = expect_bare(k->c, base);
	if (!r)
		r = merge_bring_up(&k->job, base);
	if (r || opts.dry_run)
		return r;
	if (opts.throttle)
		r = redo_chain_merge_throttle(k->job.dm_name, opts.throttle);
	if (!r)
		r = redo_chain_status(k->job.dm_name, &s);
	if (!r)
		r = wake(k, &s.merge);
	if (r) {
		merge_give_up(&k->job);
		return r;
	}
	return merge_finish(&k->job);
}

/* Orphans ---------------------------------------------------------------------------------- */

static bool wanted(const struct con *k, const struct redo_node *n, enum orphan kind)
{
	if (kind == NO_ORPHAN || strcmp(n->chain, k->c->name))
		return false;
	return kind != ORPHAN_LOST || opts.force;
}

/* Those that are dropped, or those that only --force drops. */
static const char *name_orphans(const struct con *k, bool dropped)
{
	const char *list = "";

	for (u32 i = 0; i < k->set.nr_nodes; i++) {
		const struct redo_node *n = &k->set.node[i];
		enum orphan kind = orphan_kind(&k->set, n);

		if (kind != NO_ORPHAN && !strcmp(n->chain, k->c->name) &&
		    wanted(k, n, kind) == dropped)
			list = keep("%s%s%s (%s)", list, *list ? ", " : "", n->path,
				    orphan_str(kind));
	}
	return list;
}

/* -y removes what the tool has made; the header of the rest goes. */
static int drop_orphans(struct con *k)
{
	const char *list = name_orphans(k, false);
	int r;

	if (*list) {
		k->did = true;
		say("%s: %s: kept, since the device below may only be away; --force drops it",
		    k->c->name, list);
	}
	list = name_orphans(k, true);
	if (!*list)
		return 0;
	k->did = true;
	r = confirm("%s: %s: no use any more, and made blank", k->c->name, list);
	for (u32 i = 0; !r && i < k->set.nr_nodes; i++) {
		struct redo_node *n = &k->set.node[i];
		enum orphan kind = orphan_kind(&k->set, n);

		if (!wanted(k, n, kind))
			continue;
		r = need_device(n);
		if (!r)
			r = check_wipe(n);
		if (!r && kind == ORPHAN_LOST)
			r = retire(n, true);
		if (!r)
			r = release_device(n, true);
	}
	return r;
}

static int rescan(struct con *k, const char *name)
{
	int r;

	redo_set_free(&k->set);
	r = scan(&k->set);
	if (r)
		return r;
	k->c = k->job.c = need_chain(&k->set, name);
	return k->c ? 0 : -ENOENT;
}

static int consolidate(struct con *k, const char *name)
{
	int r = k->c->dm_name[0] ? finish_live(k) : finish_offline(k);

	if (r || (opts.background && !opts.yes))
		return r;	/* in the background nobody can be asked */
	/* What the merge has made of the deltas */
	if (k->did && !opts.dry_run)
		r = rescan(k, name);
	if (!r)
		r = drop_orphans(k);
	if (!r && !k->did)
		say("%s: there is nothing to consolidate", k->c->name);
	return r;
}

static int run(struct con *k, const char *arg)
{
	char name[REDO_NAME_SIZE];
	struct redo_status s = { 0 };
	int r = 0;

	k->c = k->job.c = need_chain(&k->set, arg);
	if (!k->c)
		return -ENOENT;
	redo_copy(name, k->c->name, sizeof(name));
	if (k->c->dm_name[0])
		r = redo_chain_status(k->c->dm_name, &s);
	if (r)
		return r;
	if (opts.pause || opts.resume || (opts.throttle && k->c->dm_name[0])) {
		if (!k->c->dm_name[0])
			return redo_err(ENXIO, "%s: not active, so nothing merges", k->c->name);
		r = steer(k, &s.merge);
		if (r || opts.pause || opts.resume || merge_at_work(&s.merge))
			return r;
	}
	return consolidate(k, name);
}

int cmd_consolidate(const struct command *c, int argc __unused, char **argv)
{
	enum redo_wipe kind;
	unsigned int n;
	struct con *k;
	bool mib;
	int r;

	if (opts.pause && opts.resume)
		return usage_error(c, "takes --pause or --resume");
	if (opts.wipe && redo_wipe_parse(opts.wipe, &kind))
		return usage_error(c, "--wipe=%s is not discard, zeroes or secure", opts.wipe);
	if (opts.throttle && redo_throttle_parse(opts.throttle, &n, &mib))
		return usage_error(c, "--throttle %s is neither a percentage from 1 to 100 nor <n>MiB",
				   opts.throttle);
	if (!redo_dm_present())
		return -ENODEV;
	k = calloc(1, sizeof(*k));
	if (!k)
		return redo_err(ENOMEM, "out of memory");
	r = scan(&k->set);
	if (!r) {
		k->job.set = &k->set;
		r = run(k, argv[0]);
		redo_set_free(&k->set);
	}
	free_texts();
	free(k);
	return r;
}
