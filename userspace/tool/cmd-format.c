// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup format */
#include <unistd.h>
#include "tool.h"

static int from_parent(struct redo_format_args *a)
{
	struct redo_node p;
	int r = redo_probe_node(opts.parent, &p);

	if (r)
		return r;
	if (p.sb.state != REDO_STATE_ACTIVE && p.sb.state != REDO_STATE_SEALED)
		return redo_err(EINVAL, "%s: is %s; a parent must be active or sealed", opts.parent,
				redo_state_str(p.sb.state));
	if (p.sb.depth + 1 >= REDO_MAX_DELTAS)
		return redo_err(E2BIG, "%s: has %u deltas below it, no more fit on top", opts.parent,
				p.sb.depth);
	memcpy(a->parent_uuid, p.sb.uuid, REDO_UUID_SIZE);
	memcpy(a->tree_uuid, p.sb.tree_uuid, REDO_UUID_SIZE);
	a->virtual_sectors = p.sb.virtual_sectors;
	a->base_sectors = p.sb.base_sectors;
	a->depth = p.sb.depth + 1;
	a->grain_sectors = p.sb.grain_sectors;
	a->chain_seq = p.sb.chain_seq + 1;
	a->label = p.label;
	a->label.snap_name[0] = a->label.description[0] = '\0';
	return 0;
}

static int from_base(struct redo_format_args *a)
{
	struct redo_file f;
	char *real;
	int r = redo_file_open(&f, opts.base, 0);

	if (r)
		return r;
	a->virtual_sectors = a->base_sectors = f.io.size >> 9;
	redo_file_close(&f);
	if (!a->virtual_sectors)
		return redo_err(EINVAL, "%s: is empty", opts.base);
	a->grain_sectors = REDO_GRAIN_SECTORS_MIN;
	a->chain_seq = 1;
	real = realpath(opts.base, NULL);
	redo_copy(a->label.base_path, real && !redo_path_rdev(opts.base) ? real : opts.base,
		  sizeof(a->label.base_path));
	free(real);
	return 0;
}

static int set_grain(struct redo_format_args *a)
{
	u64 bytes;

	if (!opts.grain)
		return 0;
	if (parse_size(opts.grain, 'k', &bytes) || bytes & (bytes - 1) ||
	    bytes < REDO_GRAIN_SECTORS_MIN << 9 || bytes > REDO_GRAIN_SECTORS_MAX << 9)
		return redo_err(EINVAL, "--grain %s: must be a power of two from 4k to 1m",
				opts.grain);
	if (opts.parent && bytes >> 9 != a->grain_sectors)
		return redo_err(EINVAL, "--grain %s: the parent has grains of %uk, which is for ever",
				opts.grain, a->grain_sectors / 2);
	a->grain_sectors = (u32)(bytes >> 9);
	return 0;
}

static int set_label(struct redo_format_args *a)
{
	struct redo_label *l = &a->label;

	if ((opts.chain && !redo_name_valid(opts.chain)) ||
	    (opts.snapshot && !redo_name_valid(opts.snapshot)))
		return redo_err(EINVAL, "%s: names may have letters, digits and + _ . - only and must not begin with -",
				opts.chain && !redo_name_valid(opts.chain) ? opts.chain :
				opts.snapshot);
	if (opts.chain)
		redo_copy(l->chain_name, opts.chain, sizeof(l->chain_name));
	if (opts.snapshot)
		redo_copy(l->snap_name, opts.snapshot, sizeof(l->snap_name));
	if (opts.description)
		redo_copy(l->description, opts.description, sizeof(l->description));
	gethostname(l->host, sizeof(l->host) - 1);
	return 0;
}

int cmd_format(const struct command *c, int argc __unused, char **argv)
{
	struct redo_format_args a = { 0 };
	char uuid[REDO_UUID_STR_SIZE];
	struct redo_super sb;
	struct redo_file f;
	int r;

	if (!opts.parent == !opts.base)
		return usage_error(c, "needs either --parent or --base");
	r = opts.parent ? from_parent(&a) : from_base(&a);
	if (!r)
		r = set_grain(&a);
	if (!r)
		r = set_label(&a);
	if (!r && !opts.force)
		r = refuse_signature(argv[0]);
	if (r)
		return r;
	r = redo_file_open(&f, argv[0], REDO_OPEN_EXCL | (opts.dry_run ? 0 : REDO_OPEN_WRITE));
	if (r)
		return r;
	if (f.io.size < REDO_UNIT_SIZE)
		r = redo_err(EINVAL, "%s: %llu bytes, a delta needs at least one unit of 16 MiB",
			     argv[0], (unsigned long long)f.io.size);
	else if (!redo_step("format %s over %s", argv[0], opts.parent ? opts.parent : opts.base)) {
		r = redo_format_file(&f, &a, &sb);
		if (!r) {
			redo_uuid_str(sb.uuid, uuid);
			verbose("%s: delta %s", argv[0], uuid);
		}
	}
	redo_file_close(&f);
	return r;
}
