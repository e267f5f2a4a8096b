// SPDX-License-Identifier: GPL-2.0
/* The table line: what is taken, and what is refused with which words. */
#include "redo-test.h"
#include "../../kernel/redo-args.h"

#define MAX_WORDS	320

struct parsed {
	struct redo_args args;
	char line[1024];
	char *argv[MAX_WORDS];
	unsigned int argc;
	char buf[REDO_ARGS_ERROR_SIZE];
	char *error;
	int ret;
};

/* Splits @line at blanks and parses it. */
static struct parsed *parse(struct kunit *test, const char *line)
{
	struct parsed *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	char *rest, *word;

	KUNIT_ASSERT_NOT_NULL(test, p);
	strscpy(p->line, line, sizeof(p->line));
	rest = p->line;
	while ((word = strsep(&rest, " ")))
		if (*word)
			p->argv[p->argc++] = word;
	p->ret = redo_args_parse(&p->args, p->argc, p->argv, p->buf, &p->error);
	return p;
}

static void redo_args_plain(struct kunit *test)
{
	struct parsed *p = parse(test, "/dev/base 0");

	KUNIT_ASSERT_EQ(test, p->ret, 0);
	KUNIT_EXPECT_STREQ(test, p->args.base, "/dev/base");
	KUNIT_EXPECT_EQ(test, p->args.nr_deltas, 0U);
	KUNIT_EXPECT_EQ(test, p->args.nr_features, 0U);
	KUNIT_EXPECT_EQ(test, p->args.features.no_space_timeout, 60U);
	KUNIT_EXPECT_EQ(test, p->args.features.low_water, 2ULL);
	KUNIT_EXPECT_FALSE(test, p->args.features.error_if_no_space);
	KUNIT_EXPECT_FALSE(test, p->args.features.ignore_discard);
	KUNIT_EXPECT_FALSE(test, p->args.features.no_discard_passdown);
	KUNIT_EXPECT_FALSE(test, p->args.features.force_base);
	KUNIT_EXPECT_FALSE(test, p->args.features.hold_merge);
	KUNIT_EXPECT_FALSE(test, p->args.features.cbt);
	KUNIT_EXPECT_FALSE(test, p->args.features.no_cbt);
	KUNIT_EXPECT_NULL(test, p->args.cbt);
}

static void redo_args_deltas(struct kunit *test)
{
	struct parsed *p = parse(test, "8:0 3 d1 d2 d3");

	KUNIT_ASSERT_EQ(test, p->ret, 0);
	KUNIT_EXPECT_EQ(test, p->args.nr_deltas, 3U);
	KUNIT_EXPECT_STREQ(test, p->args.delta[0], "d1");
	KUNIT_EXPECT_STREQ(test, p->args.delta[2], "d3");
	KUNIT_EXPECT_EQ(test, p->args.nr_features, 0U);
}

static void redo_args_features(struct kunit *test)
{
	struct parsed *p = parse(test,
		"b 1 d 9 force_base low_water 7 ignore_discard no_space_timeout 0 error_if_no_space no_discard_passdown hold_merge");

	KUNIT_ASSERT_EQ(test, p->ret, 0);
	KUNIT_EXPECT_EQ(test, p->args.nr_features, 9U);
	KUNIT_EXPECT_STREQ(test, p->args.feature[0], "force_base");
	KUNIT_EXPECT_STREQ(test, p->args.feature[7], "no_discard_passdown");
	KUNIT_EXPECT_EQ(test, p->args.features.no_space_timeout, 0U);
	KUNIT_EXPECT_EQ(test, p->args.features.low_water, 7ULL);
	KUNIT_EXPECT_TRUE(test, p->args.features.error_if_no_space);
	KUNIT_EXPECT_TRUE(test, p->args.features.ignore_discard);
	KUNIT_EXPECT_TRUE(test, p->args.features.no_discard_passdown);
	KUNIT_EXPECT_TRUE(test, p->args.features.force_base);
	KUNIT_EXPECT_TRUE(test, p->args.features.hold_merge);
}

static void redo_args_cbt(struct kunit *test)
{
	struct parsed *p = parse(test, "b 1 d 3 cbt /dev/store hold_merge");

	KUNIT_ASSERT_EQ(test, p->ret, 0);
	KUNIT_EXPECT_TRUE(test, p->args.features.cbt);
	KUNIT_EXPECT_STREQ(test, p->args.cbt, "/dev/store");
	KUNIT_EXPECT_TRUE(test, p->args.features.hold_merge);
	p = parse(test, "b 1 d 1 no_cbt");
	KUNIT_ASSERT_EQ(test, p->ret, 0);
	KUNIT_EXPECT_TRUE(test, p->args.features.no_cbt);
	KUNIT_EXPECT_NULL(test, p->args.cbt);
}

/* 256 deltas and no more. */
static void redo_args_most(struct kunit *test)
{
	char **argv = kunit_kcalloc(test, MAX_WORDS, sizeof(*argv), GFP_KERNEL);
	struct redo_args *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	char buf[REDO_ARGS_ERROR_SIZE] = "", *error = NULL;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, argv);
	KUNIT_ASSERT_NOT_NULL(test, a);
	for (i = 0; i < MAX_WORDS; i++)
		argv[i] = "d";
	argv[1] = "256";
	KUNIT_EXPECT_EQ(test, redo_args_parse(a, 258, argv, buf, &error), 0);
	KUNIT_EXPECT_EQ(test, a->nr_deltas, 256U);
	KUNIT_EXPECT_EQ(test, redo_args_parse(a, 257, argv, buf, &error), -EINVAL);
	argv[1] = "257";
	KUNIT_EXPECT_EQ(test, redo_args_parse(a, 259, argv, buf, &error), -EINVAL);
	KUNIT_EXPECT_NOT_NULL(test, strstr(error, "257"));
}

struct args_case {
	const char *line;
	const char *says;	/* part of the error; NULL: it is right */
};

static const struct args_case args_cases[] = {
	{ "b 1 d 0", NULL },
	{ "b 1 d 2 low_water 0", NULL },
	{ "b 1 d 2 low_water 4294967295", NULL },
	{ "b 1 d 2 no_space_timeout 4294967295", NULL },
	{ "b 0 1 ignore_discard", NULL },
	{ "b 0 2 cbt no_cbt", NULL },	/* a device of that name */
	{ "b 1 d 1 cbt", "cbt" },
	{ "b 1 d 4 cbt s cbt s", "twice" },
	{ "b 1 d 2 no_cbt no_cbt", "twice" },
	{ "b 1 d 3 cbt s no_cbt", "no_cbt" },
	{ "", "few" },
	{ "b", "few" },
	{ "b x", "x" },
	{ "b -1", "-1" },
	{ "b 4294967296", "4294967296" },
	{ "b 1", "1" },
	{ "b 2 d1", "2" },
	{ "b 1 d x", "x" },
	{ "b 1 d -1", "-1" },
	{ "b 1 d 1", "fewer" },
	{ "b 1 d 0 ignore_discard", "more" },
	{ "b 1 d 2 ignore_discard", "fewer" },
	{ "b 1 d 1 ignore_discard force_base", "more" },
	{ "b 1 d 1 frobnicate", "frobnicate" },
	{ "b 1 d 3 force_base low_water x", "low_water" },
	{ "b 1 d 2 low_water -1", "low_water" },
	{ "b 1 d 2 low_water 1k", "low_water" },
	{ "b 1 d 1 low_water", "low_water" },
	{ "b 1 d 2 ignore_discard low_water", "low_water" },
	{ "b 1 d 2 no_space_timeout 4294967296", "no_space_timeout" },
	{ "b 1 d 1 no_space_timeout", "no_space_timeout" },
	{ "b 1 d 1 Ignore_discard", "Ignore_discard" },
	{ "b 1 d 1 ignore_discards", "ignore_discards" },
	{ "b 1 d 1 ignore_discar", "ignore_discar" },
	{ "b 1 d 2 force_base force_base", "force_base" },
	{ "b 1 d 2 ignore_discard ignore_discard", "ignore_discard" },
	{ "b 1 d 2 error_if_no_space error_if_no_space", "error_if_no_space" },
	{ "b 1 d 2 no_discard_passdown no_discard_passdown", "no_discard_passdown" },
	{ "b 1 d 4 low_water 1 low_water 1", "low_water" },
	{ "b 1 d 4 no_space_timeout 1 no_space_timeout 2", "no_space_timeout" },
};

static void args_case_desc(const struct args_case *c, char *desc)
{
	strscpy(desc, *c->line ? c->line : "nothing", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(args, args_cases, args_case_desc);

static void redo_args_refused(struct kunit *test)
{
	const struct args_case *c = test->param_value;
	struct parsed *p = parse(test, c->line);

	KUNIT_EXPECT_EQ(test, p->ret, c->says ? -EINVAL : 0);
	if (!c->says || !p->ret)
		return;
	KUNIT_ASSERT_NOT_NULL(test, p->error);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(p->error, c->says), "error: %s", p->error);
}

/* A word as long as a table line can have it does not overflow the message. */
static void redo_args_long(struct kunit *test)
{
	struct parsed *p;
	char *line = kunit_kzalloc(test, 900, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, line);
	memset(line, 'f', 899);
	memcpy(line, "b 1 d 1 ", 8);
	p = parse(test, line);
	KUNIT_EXPECT_EQ(test, p->ret, -EINVAL);
	KUNIT_ASSERT_NOT_NULL(test, p->error);
	KUNIT_EXPECT_LT(test, strlen(p->error), (size_t)REDO_ARGS_ERROR_SIZE);
}

static struct kunit_case redo_args_cases[] = {
	KUNIT_CASE(redo_args_plain),
	KUNIT_CASE(redo_args_deltas),
	KUNIT_CASE(redo_args_features),
	KUNIT_CASE(redo_args_cbt),
	KUNIT_CASE(redo_args_most),
	KUNIT_CASE_PARAM(redo_args_refused, args_gen_params),
	KUNIT_CASE(redo_args_long),
	{}
};

static struct kunit_suite redo_args_suite = {
	.name = "redo-args",
	.test_cases = redo_args_cases,
};

kunit_test_suite(redo_args_suite);
