// SPDX-License-Identifier: LGPL-2.1-or-later
/* The public face: questions about changes of a live chain. */
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <time.h>
#include "redo-int.h"
#include "words.h"

#define DEFAULT_TIMEOUT_MS	60000
#define POLL_MS			100

struct redo_tracker {
	char name[REDO_NAME_SIZE];	/* of the dm device */
	struct redo_tracker_wait wait;
	u64 until_ms;			/* of the present question; UINT64_MAX: no end */
};

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

static void begin(struct redo_tracker *t)
{
	t->until_ms = t->wait.timeout_ms == REDO_TRACKER_FOR_EVER ? UINT64_MAX :
		now_ms() + t->wait.timeout_ms;
}

static int check_cancelled(const struct redo_tracker *t)
{
	if (t->wait.cancelled && t->wait.cancelled(t->wait.ctx))
		return redo_err(ECANCELED, "%s: cancelled", t->name);
	return 0;
}

/*
 * Before the target is asked again: it writes a line to the kernel's log each time, so not
 * before the status has another word for it. A merge may be what it waits for, too.
 */
static int pause_for_rebuild(const struct redo_tracker *t)
{
	struct timespec ts = { .tv_nsec = POLL_MS * 1000000 };
	struct redo_status s = { .tracking = { .state = REDO_TRACKING_OFF } };
	int r;

	do {
		if (now_ms() >= t->until_ms)
			return redo_err(ETIMEDOUT, "%s: what has changed is still being rebuilt after a crash; ask again later",
					t->name);
		nanosleep(&ts, NULL);
		r = check_cancelled(t);
		if (!r && redo_chain_status(t->name, &s))
			return 0;	/* the question itself says what is wrong */
	} while (!r && s.tracking.state == REDO_TRACKING_REBUILDING);
	return r;
}

/* The kernel's own line, if there is one, and what follows from it. */
static int explain(const struct redo_tracker *t, int r)
{
	char text[1024];

	if (!redo_tracker_take_full(redo_tracker_error(r)))
		return r;
	redo_copy(text, redo_last_error(), sizeof(text));
	switch (redo_tracker_error(r)) {
	case REDO_TRACKER_UNKNOWN_ID:
		return redo_err(-r, "%s: the tracker has never given out this change id; take a full backup (%s)",
				t->name, text);
	case REDO_TRACKER_FOREIGN_ID:
		return redo_err(-r, "%s: the change id is of another tracker: of another disk, or tracking has begun anew since; take a full backup (%s)",
				t->name, text);
	case REDO_TRACKER_DROPPED_ID:
		return redo_err(-r, "%s: what has changed since this change id is not known any more; take a full backup (%s)",
				t->name, text);
	case REDO_TRACKER_DAMAGED:
		return redo_err(-r, "%s: tracking is broken, or its store damaged; take a full backup, and 'redosetup cbt enable' begins anew (%s)",
				t->name, text);
	default:
		return redo_err(-r, "%s: changes are not tracked; 'redosetup cbt enable' turns that on (%s)",
				t->name, text);
	}
}

/* Waits while changes are being rebuilt. @answer is malloc'ed. */
static int ask(const struct redo_tracker *t, const char *msg, char **answer)
{
	int r;

	for (;;) {
		r = redo_dm_message(t->name, msg, answer);
		if (r != -EAGAIN)
			return r ? explain(t, r) : 0;
		r = pause_for_rebuild(t);
		if (r)
			return r;
	}
}

static int not_understood(const struct redo_tracker *t, const char *answer)
{
	return redo_err(EPROTO, "%s: answer not understood: %.200s", t->name, answer);
}

/* A name, /dev/mapper/<name> or /dev/dm-<n>. */
static int name_of(const char *chain, char *name, size_t size)
{
	struct redo_dm_info info;
	u64 rdev;
	int r;

	if (!strchr(chain, '/')) {
		redo_copy(name, chain, size);
		return 0;
	}
	rdev = redo_path_rdev(chain);
	if (!rdev)
		return redo_err(ENOTBLK, "%s: not a block device", chain);
	r = redo_dm_info_dev(rdev, &info);
	if (!r && !info.exists)
		r = redo_err(ENXIO, "%s: not a device-mapper device", chain);
	if (!r)
		redo_copy(name, info.name, size);
	return r;
}

static int sectors_of(const struct redo_tracker *t, u64 *sectors)
{
	struct redo_table table;
	int r = redo_dm_redo_table(t->name, &table);

	/* No device of ours: not one of the errors that speak of ids. */
	if (r == -ENOENT || r == -EINVAL)
		return -ENXIO;
	*sectors = table.sectors;
	return r;
}

static int not_tracked(const struct redo_tracker *t)
{
	return redo_err(ENODATA, "%s: changes are not tracked; 'redosetup cbt enable %s' turns that on",
			t->name, t->name);
}

static int get_status(const struct redo_tracker *t, struct redo_tracking_status *tracking)
{
	struct redo_status s;
	int r = redo_chain_status(t->name, &s);

	if (r)
		return r == -EINVAL || r == -ENOENT ? -EPROTO : r;
	*tracking = s.tracking;
	if (s.mode == REDO_CHAIN_FAIL || s.mode == REDO_CHAIN_ERROR)
		return redo_err(EIO, "%s: the chain is not at work", t->name);
	return s.tracking.state == REDO_TRACKING_OFF ? not_tracked(t) : 0;
}

int redo_tracker_open(const char *chain, struct redo_tracker **tracker)
{
	struct redo_tracker *t = calloc(1, sizeof(*t));
	struct redo_tracking_status tracking;
	u64 sectors;
	int r;

	*tracker = NULL;
	if (!t)
		return redo_err(ENOMEM, "out of memory");
	t->wait.timeout_ms = DEFAULT_TIMEOUT_MS;
	r = name_of(chain, t->name, sizeof(t->name));
	if (!r)
		r = sectors_of(t, &sectors);
	if (!r)
		r = get_status(t, &tracking);
	if (r)
		free(t);
	else
		*tracker = t;
	return r;
}

void redo_tracker_close(struct redo_tracker *t)
{
	free(t);
}

void redo_tracker_set_wait(struct redo_tracker *t, const struct redo_tracker_wait *wait)
{
	t->wait = *wait;
}

/* Ids ---------------------------------------------------------------------------- */

/* One message's worth of the list from @from on. */
static int list_part(const struct redo_tracker *t, u64 from, struct redo_tracker_info *info,
		     redo_change_fn fn, void *ctx, bool *more, u64 *next)
{
	char msg[64], *answer;
	int r;

	snprintf(msg, sizeof(msg), "%s %llu", REDO_MSG_CBT_LIST, (unsigned long long)from);
	r = ask(t, msg, &answer);
	if (r)
		return r;
	r = redo_changes_parse(answer, info, fn, ctx, more, next);
	/* @fn itself may have said the same: it is not told apart there. */
	if (r == -EINVAL || (!r && *more && *next <= from))
		r = not_understood(t, answer);
	free(answer);
	return r;
}

int redo_tracker_get_info(struct redo_tracker *t, struct redo_tracker_info *info)
{
	u64 next, sectors, number;
	bool more;
	int r;

	begin(t);
	memset(info, 0, sizeof(*info));
	r = get_status(t, &info->status);
	if (!r)
		r = sectors_of(t, &sectors);
	if (r)
		return r;
	info->virtual_bytes = sectors << 9;
	if (info->status.change_id[0])
		redo_change_id_parse(info->status.change_id, info->uuid, &number);
	/* A broken one cannot be asked, and a view's takes no marks. */
	if (info->status.state == REDO_TRACKING_BROKEN ||
	    info->status.state == REDO_TRACKING_POINT)
		return 0;
	return list_part(t, info->status.change_id[0] ? number : 1, info, NULL, NULL, &more, &next);
}

struct list_ctx {
	redo_change_fn fn;
	void *ctx;
	int r;			/* what @fn ended it with */
};

static int tell_change(void *ctx, const struct redo_change *c)
{
	struct list_ctx *l = ctx;

	l->r = l->fn(l->ctx, c);
	return l->r ? 1 : 0;
}

int redo_tracker_list(struct redo_tracker *t, redo_change_fn fn, void *ctx)
{
	struct list_ctx l = { .fn = fn, .ctx = ctx };
	struct redo_tracker_info info;
	u64 at = 1, next = 0;
	bool more = true;
	int r = 0;

	begin(t);
	for (; !r && more; at = next) {
		r = check_cancelled(t);
		if (!r)
			r = list_part(t, at, &info, tell_change, &l, &more, &next);
	}
	return l.r ? l.r : r;
}

/* Ranges -------------------------------------------------------------------------- */

struct range_ctx {
	redo_range_fn fn;
	void *ctx;
	u64 at, end;		/* ranges must lie between, in order */
	int r;
	bool bad;
};

static int tell_range(void *ctx, u64 start, u64 sectors)
{
	struct range_ctx *c = ctx;

	if (start < c->at || start > c->end || sectors > c->end - start) {
		c->bad = true;
		return 1;
	}
	c->at = start + sectors;
	c->r = c->fn(c->ctx, start, sectors);
	return c->r ? 1 : 0;
}

/* @question: the message up to "<start> <sectors>". */
static int ask_ranges(struct redo_tracker *t, const char *question, u64 start, u64 end,
		      redo_range_fn fn, void *ctx)
{
	struct range_ctx c = { .fn = fn, .ctx = ctx, .at = start, .end = end };
	u64 next = start;
	bool more = true;
	int r = 0;

	while (!r && more && start < end) {
		char msg[256], *answer;

		r = check_cancelled(t);
		if (r)
			return r;
		snprintf(msg, sizeof(msg), "%s %llu %llu", question, (unsigned long long)start,
			 (unsigned long long)(end - start));
		r = ask(t, msg, &answer);
		if (r)
			return r;
		r = redo_allocated_parse(answer, tell_range, &c, &more, &next);
		if (c.r)
			r = c.r;
		else if (r || c.bad || (more && (next <= start || next < c.at)))
			r = not_understood(t, answer);
		free(answer);
		start = next;
	}
	return r;
}

static int range_end(const struct redo_tracker *t, u64 start, u64 sectors, u64 *end)
{
	u64 size;
	int r = sectors_of(t, &size);

	if (r)
		return r;
	if (start > size || sectors > size - start)
		return redo_err(ERANGE, "%s: sectors %llu+%llu are beyond its end (%llu)", t->name,
				(unsigned long long)start, (unsigned long long)sectors,
				(unsigned long long)size);
	*end = sectors ? start + sectors : size;
	return 0;
}

/* 1: @since is later than @until. */
static int check_ids(const char *since, const char *until)
{
	char uuid[2][REDO_UUID_STR_SIZE];
	u64 number[2];

	if (redo_change_id_parse(since, uuid[0], &number[0]))
		return redo_err(EINVAL, "%s: not a change id", since);
	if (!until)
		return 0;
	if (redo_change_id_parse(until, uuid[1], &number[1]))
		return redo_err(EINVAL, "%s: not a change id", until);
	if (strcmp(uuid[0], uuid[1]))
		return redo_err(EXDEV, "%s and %s are of two trackers; take a full backup", since,
				until);
	return number[0] > number[1] ? 1 : 0;
}

static int nothing(void *ctx __unused, u64 start __unused, u64 sectors __unused)
{
	return 0;
}

/*
 * @since is later than @until. Where this tracker does not know @since at all, that is what is
 * wrong: a disk may have been set back with its tracker, and what came after it is lost.
 */
static int wrong_order(struct redo_tracker *t, const char *since, const char *until)
{
	char question[REDO_CHANGE_ID_SIZE + 32];
	int r;

	snprintf(question, sizeof(question), "%s %s %s", REDO_MSG_CBT_QUERY, since, REDO_MSG_NOW);
	r = ask_ranges(t, question, 0, 1, nothing, NULL);
	return r ? r : redo_err(EINVAL, "%s is later than %s", since, until);
}

int redo_tracker_query(struct redo_tracker *t, const char *since, const char *until,
		       uint64_t start, uint64_t sectors, redo_range_fn fn, void *ctx)
{
	char question[2 * REDO_CHANGE_ID_SIZE + 32];
	u64 end;
	int r = check_ids(since, until);

	begin(t);
	if (r == 1)
		r = wrong_order(t, since, until);
	if (!r)
		r = range_end(t, start, sectors, &end);
	if (r)
		return r;
	snprintf(question, sizeof(question), "%s %s %s", REDO_MSG_CBT_QUERY, since,
		 until ? until : REDO_MSG_NOW);
	return ask_ranges(t, question, start, end, fn, ctx);
}

int redo_tracker_allocated(struct redo_tracker *t, uint64_t start, uint64_t sectors,
			   redo_range_fn fn, void *ctx)
{
	u64 end;
	int r = range_end(t, start, sectors, &end);

	begin(t);
	return r ? r : ask_ranges(t, REDO_MSG_ALLOCATED, start, end, fn, ctx);
}

static int add_range(void *ctx, u64 start, u64 sectors)
{
	return redo_bitmap_set_range(ctx, start, sectors);
}

int redo_tracker_bitmap(struct redo_tracker *t, const char *since, const char *until,
			struct redo_bitmap *map)
{
	struct redo_tracker_info info;
	int r = redo_tracker_get_info(t, &info);

	memset(map, 0, sizeof(*map));
	if (!r && !info.block_bytes)
		r = redo_err(EUCLEAN, "%s: tracking is %s; take a full backup", t->name,
			     info.status.state == REDO_TRACKING_POINT ? "not for views" : "broken");
	if (!r)
		r = redo_bitmap_init(map, info.virtual_bytes, info.block_bytes);
	/* Not more than the map is for, should the disk have grown since. */
	if (!r)
		r = redo_tracker_query(t, since, until, 0, info.virtual_bytes >> 9, add_range, map);
	if (r)
		redo_bitmap_free(map);
	return r;
}

/* Marks ----------------------------------------------------------------------------- */

/* device-mapper takes backslashes out of a message. */
static void quote(char *to, const char *from)
{
	for (; *from; from++) {
		if (*from == '\\')
			*to++ = '\\';
		*to++ = *from;
	}
	*to = '\0';
}

int redo_tracker_mark(struct redo_tracker *t, const char *label, char id[REDO_CHANGE_ID_SIZE])
{
	char msg[32 + 2 * REDO_CHANGE_LABEL_SIZE], quoted[2 * REDO_CHANGE_LABEL_SIZE] = "";
	char word[REDO_CHANGE_ID_SIZE], uuid[REDO_UUID_STR_SIZE], *answer;
	struct redo_words w;
	u64 number;
	int r;

	*id = '\0';
	if (label && !redo_change_label_valid(label))
		return redo_err(EINVAL, "%s: a label has 1 to %u printable characters without spaces and commas, and is not -",
				label, REDO_CHANGE_LABEL_SIZE - 1);
	if (label)
		quote(quoted, label);
	snprintf(msg, sizeof(msg), "%s%s%s", REDO_MSG_CBT_MARK, label ? " " : "", quoted);
	begin(t);
	r = ask(t, msg, &answer);
	if (r)
		return r;
	w.at = answer;
	if (!redo_next_word(&w, word, sizeof(word)) || !redo_words_end(&w) ||
	    redo_change_id_parse(word, uuid, &number))
		r = not_understood(t, answer);
	else
		memcpy(id, word, sizeof(word));
	free(answer);
	return r;
}

int redo_tracker_drop(struct redo_tracker *t, const char *id)
{
	char msg[32 + REDO_CHANGE_ID_SIZE], *answer;
	int r = check_ids(id, NULL);

	if (r)
		return r;
	snprintf(msg, sizeof(msg), "%s %s", REDO_MSG_CBT_DROP, id);
	begin(t);
	r = ask(t, msg, &answer);
	if (!r)
		free(answer);
	return r;
}
