// SPDX-License-Identifier: GPL-2.0
/* Messages of the tracking, and its part of the status line; words: redo-proto.h. */
#include <linux/sched/mm.h>
#include <linux/uuid.h>
#include "redo-chain.h"
#include "redo-proto.h"

/* No item, and nothing that ends an answer, takes more than these. */
#define ID_MAX		(UUID_STRING_LEN + 24)
#define RANGE_MAX	48
#define RECORD_MAX	(REDO_CBT_LABEL_SIZE + 80)

#define REFUSE(c, error, fmt, ...) \
	({ DMERR("%s: " fmt, dm_device_name((c)->md), ##__VA_ARGS__); error; })

struct answer {
	char *result;
	unsigned int maxlen, sz;
	const struct redo_cbt_info *info;	/* list: still to be said */
	u64 next;				/* list: the record that had no room; 0: none */
};

static bool has_room(const struct answer *a, unsigned int len)
{
	return a->sz + len <= a->maxlen;
}

/* Tracking is off: -ENODATA. */
static int get_info(struct redo_chain *c, struct redo_cbt_info *info)
{
	if (!c->cbt)
		return REFUSE(c, -ENODATA, "is not tracked: add \"" REDO_ARG_CBT " <device>\" to its table line");
	redo_cbt_info(c->cbt, info);
	return 0;
}

/* "<uuid>/<number>" of this store; a number that was given, or -ENOENT. */
static int parse_id(struct redo_chain *c, const struct redo_cbt_info *info, char *arg, u64 *number)
{
	char *slash = strchr(arg, '/');
	uuid_t uuid;

	if (!slash || slash - arg != UUID_STRING_LEN || uuid_parse(arg, &uuid) ||
	    kstrtou64(slash + 1, 10, number))
		return REFUSE(c, -EINVAL, "%s is not a change id", arg);
	if (info->state == REDO_CBT_ST_BROKEN)
		return REFUSE(c, -EUCLEAN, "tracking has ended: %s",
			      redo_cbt_break_str(info->reason));
	if (memcmp(uuid.b, info->uuid, REDO_UUID_SIZE))
		return REFUSE(c, -EXDEV, "change id %s is of another tracker than %pUb", arg,
			      info->uuid);
	if (!*number || *number > info->epoch)
		return REFUSE(c, -ENOENT, "change id %s was never given", arg);
	return 0;
}

/* --- cbt_mark [<label>] --- */

static int msg_mark(struct redo_chain *c, unsigned int argc, char **argv, char *result,
		    unsigned int maxlen)
{
	const char *label = argc == 2 ? argv[1] : NULL;
	struct redo_cbt_info info;
	unsigned int sz = 0;
	u64 number;
	int r = get_info(c, &info);

	if (r)
		return r;
	if (label && !redo_cbt_label_valid(label))
		return REFUSE(c, -EINVAL, "label \"%s\": 1 to %u printable characters, neither space nor comma",
			      label, REDO_CBT_LABEL_SIZE - 1);
	r = redo_track_mark(c, label, &number);
	if (r)
		return REFUSE(c, r, "no mark could be made: error %d", r);
	DMEMIT("%pUb/%llu", info.uuid, number);
	return 1;
}

/* --- cbt_list [<from n>] --- */

static int put_record(void *ctx, const struct redo_cbt_record *r)
{
	struct answer *a = ctx;
	unsigned int maxlen = a->maxlen, sz = a->sz;
	char *result = a->result;

	if (!has_room(a, (a->info ? ID_MAX + 24 : 0) + 2 * RECORD_MAX)) {
		a->next = r->number;
		return 1;
	}
	if (a->info)
		DMEMIT("%pUb,%u,%llu ", a->info->uuid, a->info->block_sectors, a->info->epoch);
	a->info = NULL;
	DMEMIT("%llu,%llu,%s,%llu,%s ", r->number, r->begin_time, redo_cbt_kind_str(r->kind),
	       r->first, r->label[0] ? r->label : "-");
	a->sz = sz;
	return 0;
}

static void put_end(struct answer *a, bool complete, u64 next)
{
	unsigned int maxlen = a->maxlen, sz = a->sz;
	char *result = a->result;

	if (complete)
		DMEMIT(REDO_MSG_END);
	else
		DMEMIT(REDO_MSG_NEXT "%llu", next);
}

static int msg_list(struct redo_chain *c, unsigned int argc, char **argv, char *result,
		    unsigned int maxlen)
{
	struct answer a = { .result = result, .maxlen = maxlen };
	struct redo_cbt_info info;
	u64 from = 0;
	int r = get_info(c, &info);

	if (r)
		return r;
	if (argc == 2 && kstrtou64(argv[1], 10, &from))
		return REFUSE(c, -EINVAL, "%s is not a number to list from", argv[1]);
	if (info.state == REDO_CBT_ST_BROKEN)
		return REFUSE(c, -EUCLEAN, "tracking has ended: %s", redo_cbt_break_str(info.reason));
	a.info = &info;
	r = redo_cbt_list(c->cbt, from, put_record, &a);
	if (r < 0)
		return REFUSE(c, r, "epochs cannot be listed: error %d", r);
	put_end(&a, !a.next, a.next);
	return 1;
}

/* --- cbt_query <from id> <to id|now> <start sector> <sectors> --- */

static int put_range(void *ctx, sector_t start, sector_t sectors)
{
	struct answer *a = ctx;
	unsigned int maxlen = a->maxlen, sz = a->sz;
	char *result = a->result;

	if (!has_room(a, 2 * RANGE_MAX))
		return 1;
	DMEMIT("%llu+%llu ", (u64)start, (u64)sectors);
	a->sz = sz;
	return 0;
}

static int parse_range(struct redo_chain *c, char **argv, sector_t *start, sector_t *end)
{
	u64 first, sectors;

	if (kstrtou64(argv[0], 10, &first) || kstrtou64(argv[1], 10, &sectors))
		return REFUSE(c, -EINVAL, "<start sector> <sectors> are not numbers");
	if (first > c->len || sectors > c->len - first)
		return REFUSE(c, -ERANGE, "beyond the end of the device (%llu sectors)",
			      (u64)c->len);
	*start = first;
	*end = first + sectors;
	return 0;
}

static int msg_query(struct redo_chain *c, char **argv, char *result, unsigned int maxlen)
{
	struct answer a = { .result = result, .maxlen = maxlen };
	sector_t start, end, next = 0;
	struct redo_cbt_info info;
	u64 from, to = 0;
	int r = get_info(c, &info);

	if (!r)
		r = parse_id(c, &info, argv[1], &from);
	if (!r && strcasecmp(argv[2], REDO_MSG_NOW))
		r = parse_id(c, &info, argv[2], &to);
	if (!r)
		r = parse_range(c, &argv[3], &start, &end);
	if (r)
		return r;
	if (start < end)
		r = redo_cbt_query(c->cbt, from, to, start, end, put_range, &a, &next);
	if (r < 0)
		return REFUSE(c, r, "what changed since %s is not known: error %d", argv[1], r);
	put_end(&a, !r, next);
	return 1;
}

/* --- cbt_drop <id> --- */

static int msg_drop(struct redo_chain *c, char **argv)
{
	struct redo_cbt_info info;
	u64 number;
	int r = get_info(c, &info);

	if (!r)
		r = parse_id(c, &info, argv[1], &number);
	if (!r)
		r = redo_cbt_drop(c->cbt, number);
	if (r)
		DMERR("%s: %s cannot be dropped: error %d", dm_device_name(c->md), argv[1], r);
	return r;
}

/* --- all of them --- */

bool redo_track_is_message(const char *word)
{
	return !strncasecmp(word, REDO_CBT_MSG_PREFIX, strlen(REDO_CBT_MSG_PREFIX));
}

static int run(struct redo_chain *c, unsigned int argc, char **argv, char *result,
	       unsigned int maxlen)
{
	if (!strcasecmp(argv[0], REDO_MSG_CBT_MARK) && argc <= 2)
		return msg_mark(c, argc, argv, result, maxlen);
	if (!strcasecmp(argv[0], REDO_MSG_CBT_LIST) && argc <= 2)
		return msg_list(c, argc, argv, result, maxlen);
	if (!strcasecmp(argv[0], REDO_MSG_CBT_QUERY) && argc == 5)
		return msg_query(c, argv, result, maxlen);
	if (!strcasecmp(argv[0], REDO_MSG_CBT_DROP) && argc == 2)
		return msg_drop(c, argv);
	return REFUSE(c, -EINVAL, "unknown message, or wrong arguments: %s", argv[0]);
}

/* The device may be suspended. */
int redo_track_message(struct redo_chain *c, unsigned int argc, char **argv, char *result,
		       unsigned int maxlen)
{
	unsigned int noio = memalloc_noio_save();
	int r = run(c, argc, argv, result, maxlen);

	memalloc_noio_restore(noio);
	return r;
}

/* --- status --- */

static unsigned int view_status(struct redo_chain *c, char *result, unsigned int maxlen)
{
	struct redo_super sb = { 0 };
	unsigned int sz = 0;

	if (c->top)
		redo_delta_super(c->slot[c->top].delta, &sb);
	if (sb.tracker_sealed)
		DMEMIT(REDO_CBT_WORD_POINT " %pUb/%llu 0/0", sb.tracker_uuid, sb.tracker_sealed);
	else
		DMEMIT(REDO_CBT_WORD_POINT " - 0/0");
	return sz;
}

static const char *state_word(enum redo_cbt_state state)
{
	switch (state) {
	case REDO_CBT_ST_OK:
		return REDO_CBT_WORD_OK;
	case REDO_CBT_ST_REBUILDING:
		return REDO_CBT_WORD_REBUILDING;
	default:
		return REDO_CBT_WORD_BROKEN;
	}
}

unsigned int redo_track_status(struct redo_chain *c, char *result, unsigned int maxlen)
{
	struct redo_cbt_info info;
	unsigned int sz = 0;

	if (!c->writable)
		return view_status(c, result, maxlen);
	if (!c->cbt) {
		DMEMIT(REDO_CBT_WORD_OFF " - 0/0");
		return sz;
	}
	redo_cbt_info(c->cbt, &info);
	DMEMIT("%s ", state_word(info.state));
	if (info.epoch)
		DMEMIT("%pUb/%llu ", info.uuid, info.epoch);
	else
		DMEMIT("- ");
	DMEMIT("%llu/%llu", info.used, info.total);
	return sz;
}
