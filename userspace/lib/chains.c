// SPDX-License-Identifier: LGPL-2.1-or-later
/* The public face: chains as found on this host, and live ones. */
#include <stdlib.h>
#include "redo-int.h"

struct redo_chains {
	struct redo_set set;
};

int redo_chains_scan(const struct redo_scan_options *opts, struct redo_chains **chains)
{
	struct redo_chains *c = calloc(1, sizeof(*c));
	int r;

	*chains = NULL;
	if (!c)
		return redo_err(ENOMEM, "out of memory");
	r = redo_scan(opts, &c->set);
	if (r)
		free(c);
	else
		*chains = c;
	return r;
}

void redo_chains_free(struct redo_chains *c)
{
	if (c) {
		redo_set_free(&c->set);
		free(c);
	}
}

unsigned int redo_chains_count(const struct redo_chains *c)
{
	return c->set.nr_chains;
}

const char *redo_chain_state(const struct redo_chain *c)
{
	if (!c->dm_name[0])
		return "inactive";
	if (c->suspended)
		return "suspended";
	return c->live_ro ? "read-only" : "active";
}

int redo_chains_get(const struct redo_chains *chains, unsigned int i,
		    struct redo_chain_info *info)
{
	const struct redo_chain *c;

	if (i >= chains->set.nr_chains)
		return redo_err(EINVAL, "there is no chain %u", i);
	c = &chains->set.chain[i];
	memset(info, 0, sizeof(*info));
	redo_copy(info->name, c->name, sizeof(info->name));
	redo_copy(info->dm_state, redo_chain_state(c), sizeof(info->dm_state));
	info->active = c->dm_name[0];
	info->virtual_bytes = c->virtual_sectors << 9;
	redo_copy(info->base_path, c->base_path[0] ? c->base_path : c->hint_path,
		  sizeof(info->base_path));
	info->nr_deltas = c->present ? c->present->below + 1 : 0;
	redo_copy(info->problem, c->problem, sizeof(info->problem));
	return 0;
}

int redo_chains_get_delta(const struct redo_chains *chains, unsigned int i, unsigned int n,
			  struct redo_delta_info *info)
{
	struct redo_node *line[REDO_MAX_DELTAS];
	int nr;

	if (i >= chains->set.nr_chains)
		return redo_err(EINVAL, "there is no chain %u", i);
	nr = redo_line_of(&chains->set, chains->set.chain[i].present, line, ARRAY_SIZE(line));
	if (nr < 0)
		return nr;
	if (n >= (unsigned int)nr)
		return redo_err(EINVAL, "there is no delta %u", n);
	redo_fill_info(&line[n]->sb, &line[n]->label, line[n]->path, line[n]->device_bytes, info);
	info->data_bytes = redo_node_used(&chains->set, line[n]) * info->grain_bytes;
	return 0;
}

int redo_chain_status(const char *chain, struct redo_status *status)
{
	char *params;
	int r = redo_dm_status_line(chain, &params);

	if (r)
		return r;
	r = redo_status_parse(params, status);
	if (r)
		redo_err(-r, "%s: status not understood: %s", chain, params);
	free(params);
	return r;
}

int redo_chain_allocated(const char *chain, uint64_t start, uint64_t sectors,
			 redo_range_fn fn, void *ctx)
{
	uint64_t at = start, end = start + sectors, next = 0;
	bool more = true;
	int r = 0;

	while (!r && more && at < end) {
		char msg[96], *answer;

		snprintf(msg, sizeof(msg), "%s %llu %llu", REDO_MSG_ALLOCATED,
			 (unsigned long long)at, (unsigned long long)(end - at));
		r = redo_dm_message(chain, msg, &answer);
		if (r)
			return r;
		r = redo_allocated_parse(answer, fn, ctx, &more, &next);
		if (r == -EINVAL || (!r && more && next <= at))
			r = redo_err(EINVAL, "%s: answer not understood: %s", chain, answer);
		free(answer);
		at = next;
	}
	return r;
}
