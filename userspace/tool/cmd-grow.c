// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup grow: extend the active delta's device; the kernel notices by itself. */
#include <ctype.h>
#include "tool.h"

static int wanted_bytes(u64 now, const char *units, u64 *bytes)
{
	unsigned long long n = 1;
	char *end;

	*bytes = 0;
	if (opts.size && parse_size(opts.size, 'm', bytes))
		return redo_err(EINVAL, "--size %s: not a size", opts.size);
	if (!opts.size) {
		if (units && *units == '+')
			units++;
		errno = 0;
		if (units) {
			n = isdigit((unsigned char)*units) ? strtoull(units, &end, 10) : 0;
			if (!n || *end || errno || n > (1ULL << 34))
				return redo_err(EINVAL, "%s: not a number of units (of 16 MiB)",
						units);
		}
		*bytes = now + n * REDO_UNIT_SIZE;
	}
	*bytes = DIV_ROUND_UP(*bytes, REDO_UNIT_SIZE) * REDO_UNIT_SIZE;
	return 0;
}

static int grow(const struct redo_chain *c, const char *units)
{
	const struct redo_node *n = c->present;
	struct redo_store store;
	u64 bytes, now;
	int r;

	if (!n)
		return redo_err(ENOENT, "%s: %s", c->name,
				c->problem[0] ? c->problem : "has no delta that could grow");
	r = redo_store_of(n->path, &store);
	if (!r)
		r = wanted_bytes(n->device_bytes, units, &bytes);
	if (r)
		return r;
	if (bytes <= n->device_bytes)
		return redo_err(EINVAL, "%s: has %llu MiB already, and deltas do not shrink", n->path,
				(unsigned long long)n->device_bytes >> 20);
	r = redo_store_grow(&store, bytes, &now);
	if (r || opts.dry_run)
		return r;
	if (now < bytes)
		return redo_err(EIO, "%s: has %llu MiB only after it was extended", n->path,
				(unsigned long long)now >> 20);
	verbose("%s: %llu MiB", n->path, (unsigned long long)now >> 20);
	return 0;
}

int cmd_grow(const struct command *c, int argc, char **argv)
{
	struct redo_chain *chain;
	struct redo_set set;
	int r;

	if (opts.size && argc > 1)
		return usage_error(c, "takes either --size or a number of units");
	r = scan(&set);
	if (r)
		return r;
	chain = need_chain(&set, argv[0]);
	r = chain ? grow(chain, argc > 1 ? argv[1] : NULL) : -ENOENT;
	redo_set_free(&set);
	return r;
}
