// SPDX-License-Identifier: GPL-2.0
/* Parsing of the table line; see redo-args.h. */
#include "redo-args.h"
#include "redo-proto.h"

enum seen {
	SEEN_ERROR_IF_NO_SPACE	= BIT(0),
	SEEN_NO_SPACE_TIMEOUT	= BIT(1),
	SEEN_LOW_WATER		= BIT(2),
	SEEN_IGNORE_DISCARD	= BIT(3),
	SEEN_NO_PASSDOWN	= BIT(4),
	SEEN_FORCE_BASE		= BIT(5),
	SEEN_HOLD_MERGE		= BIT(6),
	SEEN_CBT		= BIT(7),
	SEEN_NO_CBT		= BIT(8),
};

struct parse {
	struct redo_features *f;
	char *cbt;
	char **argv;
	unsigned int argc;
	unsigned int seen;
	char *buf;
	char **error;
};

static int refuse(struct parse *p, const char *fmt, const char *what)
{
	snprintf(p->buf, REDO_ARGS_ERROR_SIZE, fmt, what);
	*p->error = p->buf;
	return -EINVAL;
}

static int value_u32(struct parse *p, const char *name, u32 *value)
{
	if (!p->argc)
		return refuse(p, "%s needs a value", name);
	if (kstrtou32(p->argv[0], 10, value)) {
		snprintf(p->buf, REDO_ARGS_ERROR_SIZE, "%s: not a number in range: %s",
			 name, p->argv[0]);
		*p->error = p->buf;
		return -EINVAL;
	}
	p->argv++;
	p->argc--;
	return 0;
}

static int once(struct parse *p, const char *name, unsigned int bit)
{
	if (p->seen & bit)
		return refuse(p, "%s given twice", name);
	p->seen |= bit;
	return 0;
}

struct flag {
	const char *name;
	unsigned int bit;
	size_t offset;
};

static const struct flag flags[] = {
	{ REDO_ARG_ERROR_IF_NO_SPACE, SEEN_ERROR_IF_NO_SPACE,
	  offsetof(struct redo_features, error_if_no_space) },
	{ REDO_ARG_IGNORE_DISCARD, SEEN_IGNORE_DISCARD,
	  offsetof(struct redo_features, ignore_discard) },
	{ REDO_ARG_NO_DISCARD_PASSDOWN, SEEN_NO_PASSDOWN,
	  offsetof(struct redo_features, no_discard_passdown) },
	{ REDO_ARG_FORCE_BASE, SEEN_FORCE_BASE,
	  offsetof(struct redo_features, force_base) },
	{ REDO_ARG_HOLD_MERGE, SEEN_HOLD_MERGE,
	  offsetof(struct redo_features, hold_merge) },
	{ REDO_ARG_NO_CBT, SEEN_NO_CBT, offsetof(struct redo_features, no_cbt) },
};

static int parse_cbt(struct parse *p)
{
	int r = once(p, REDO_ARG_CBT, SEEN_CBT);

	if (!r && !p->argc)
		r = refuse(p, "%s needs a value", REDO_ARG_CBT);
	if (r)
		return r;
	p->f->cbt = true;
	p->cbt = p->argv[0];
	p->argv++;
	p->argc--;
	return 0;
}

static int parse_feature(struct parse *p)
{
	const char *name = p->argv[0];
	u32 value;
	int i, r;

	p->argv++;
	p->argc--;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(name, flags[i].name))
			continue;
		*(bool *)((char *)p->f + flags[i].offset) = true;
		return once(p, name, flags[i].bit);
	}
	if (!strcmp(name, REDO_ARG_NO_SPACE_TIMEOUT)) {
		r = once(p, name, SEEN_NO_SPACE_TIMEOUT);
		return r ?: value_u32(p, name, &p->f->no_space_timeout);
	}
	if (!strcmp(name, REDO_ARG_LOW_WATER)) {
		r = once(p, name, SEEN_LOW_WATER);
		if (!r)
			r = value_u32(p, name, &value);
		if (!r)
			p->f->low_water = value;
		return r;
	}
	if (!strcmp(name, REDO_ARG_CBT))
		return parse_cbt(p);
	return refuse(p, "unknown feature argument: %s", name);
}

static int parse_features(struct redo_args *a, struct parse *p)
{
	u32 nr;
	int r = 0;

	if (!p->argc)
		return 0;
	if (kstrtou32(p->argv[0], 10, &nr))
		return refuse(p, "not a number of feature arguments: %s", p->argv[0]);
	p->argv++;
	p->argc--;
	if (nr != p->argc)
		return refuse(p, "%s feature arguments than the table line says",
			      nr < p->argc ? "more" : "fewer");
	a->nr_features = nr;
	a->feature = p->argv;
	while (p->argc && !r)
		r = parse_feature(p);
	if (!r && p->f->cbt && p->f->no_cbt)
		r = refuse(p, "%s and no_cbt: either is tracked or is not", REDO_ARG_CBT);
	a->cbt = p->cbt;
	return r;
}

int redo_args_parse(struct redo_args *a, unsigned int argc, char **argv,
		    char *buf, char **error)
{
	struct parse p = { .f = &a->features, .buf = buf, .error = error };

	memset(a, 0, sizeof(*a));
	a->features.no_space_timeout = REDO_NO_SPACE_TIMEOUT_DEFAULT;
	a->features.low_water = REDO_LOW_WATER_DEFAULT;
	if (argc < 2)
		return refuse(&p, "too few arguments: %s", "<base dev> <#deltas> needed");
	a->base = argv[0];
	if (kstrtou32(argv[1], 10, &a->nr_deltas))
		return refuse(&p, "not a number of deltas: %s", argv[1]);
	if (a->nr_deltas > REDO_MAX_DELTAS)
		return refuse(&p, "%s deltas are more than 256", argv[1]);
	if (argc - 2 < a->nr_deltas)
		return refuse(&p, "fewer delta devices than %s", argv[1]);
	a->delta = argv + 2;
	p.argv = argv + 2 + a->nr_deltas;
	p.argc = argc - 2 - a->nr_deltas;
	return parse_features(a, &p);
}
