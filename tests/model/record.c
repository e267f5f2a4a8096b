// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "blkio.h"
#include "cbt.h"
#include "delta.h"
#include "dmdev.h"
#include "logwrites.h"
#include "loopdev.h"
#include "record.h"
#include "rng.h"
#include "stack.h"
#include "stamp.h"
#include "store.h"

#define WRITE_MAX	512			/* sectors */
#define STALLED		0.4			/* seconds without progress */
#define STUCK		120
#define LOG_SECTORS	(4096 * MIB / SECTOR_SIZE)
#define THREADS_MAX	MAIL_SECTORS

struct range {
	u64 from, to;
	u32 chain;
};

/* A device that is written to. */
struct live {
	struct dmdev *dev;
	int fd;
	int top;		/* delta */
	u16 branch;
	bool up;		/* it may be written to */
};

static struct recorder {
	const struct record_options *opt;
	struct trace *trace;
	struct loopdev data, log;
	struct dmdev *logger;
	struct stack stack;
	int mail_fd;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* protected by lock */
	u64 clock;
	struct rng rng;
	struct live live[TRACE_CHAINS];
	u16 nr_branches;
	struct range busy[THREADS_MAX];
	u32 in_flight;
	u32 flushing;			/* of them, flushes */
	u64 allowed, begun, ended;	/* operations that may begin; that have */
	bool stop, storm;
	bool dropped[TRACE_IDS_MAX];
	bool tracked;			/* the first chain is, from now on */
	bool goes_bare;			/* all that the first chain has may go into its base */
} rec = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

/* --- marks --- */

/* Holding the lock on entry and return; not meanwhile. */
static void mark(u32 thread, enum trace_event_kind kind, u32 chain, u64 arg, void *buffer)
{
	u64 nr = trace_add_event(rec.trace, kind, chain, arg);
	struct mail *m = buffer;
	int r;

	pthread_mutex_unlock(&rec.lock);
	memset(buffer, 0, SECTOR_SIZE);
	m->magic = MAIL_MAGIC;
	m->event = nr;
	r = blk_write(rec.mail_fd, buffer, thread, 1, true);
	if (r)
		die("mark: %s", strerror(-r));
	pthread_mutex_lock(&rec.lock);
	rec.trace->event[nr].marked = rec.clock++;
}

/* --- one operation --- */

struct todo {
	enum { DO_WRITE, DO_ZERO, DO_DISCARD, DO_FLUSH } kind;
	u32 chain;
	bool fua;
	u64 sector, sectors;
	enum blk_zero how;
	u64 gen;
};

static u64 log_size(u64 max)
{
	u64 bits = 0, v;

	while ((2ULL << bits) <= max)
		bits++;
	v = 1ULL << rng_below(&rec.rng, bits + 1);
	return min_u64(max, v + rng_below(&rec.rng, v));
}

static void place(struct todo *d, const struct mix *mix, u64 max)
{
	static const u32 hot_sectors = 2 * MIB / SECTOR_SIZE;
	u64 size = rec.opt->sectors, unit = 1;

	d->sectors = log_size(min_u64(max, size));
	d->sector = rng_below(&rec.rng, rng_percent(&rec.rng, mix->hot) ?
			      min_u64(size, hot_sectors) : size);
	if (!mix->hot)
		unit = d->sectors = rec.opt->grain;
	else if (rng_percent(&rec.rng, 30))
		unit = 8;
	else if (rng_percent(&rec.rng, 50))
		unit = rec.opt->grain;
	d->sector = round_down_to(d->sector, unit);
	if (rng_percent(&rec.rng, 50))
		d->sectors = min_u64(max, round_up_to(d->sectors, unit));
	if (d->sector + d->sectors > size)
		d->sectors = size - d->sector;
}

static u32 choose_chain(void)
{
	return rec.live[1].up && rng_percent(&rec.rng, 50);
}

static void choose(struct todo *d)
{
	const struct workload *w = rec.opt->workload;
	const struct mix *mix = rec.storm ? &w->storm : &w->mix;
	u64 pick = rng_below(&rec.rng, 100), flush = mix->write + mix->flush;
	bool on_delta;

	memset(d, 0, sizeof(*d));
	d->chain = choose_chain();
	on_delta = rec.live[d->chain].top != TRACE_BASE;
	if (pick < mix->write) {
		d->kind = DO_WRITE;
		/* on a bare base nothing but its stamp tells when it was, see older_than_fua() */
		d->fua = on_delta && rng_percent(&rec.rng, mix->fua);
		place(d, mix, mix->max);
	} else if (pick < flush) {
		d->kind = DO_FLUSH;
	} else if (pick < flush + mix->discard && on_delta) {
		d->kind = DO_DISCARD;
		place(d, mix, 8 * max_u64(mix->max, rec.opt->grain));
	} else {
		d->kind = DO_ZERO;
		d->how = rng_below(&rec.rng, 3);
		place(d, mix, 4 * mix->max);
	}
}

/*
 * Operations on the same sectors come one after the other. So do flushes of a bare base:
 * dm-log-writes gives to each what had been written when it came, and logs that when it is
 * complete. One that is held up on its way would be logged, with its old writes, behind
 * others and what is newer. (Those of a delta are the commit worker's.)
 */
static bool is_busy(const struct todo *d)
{
	u32 i;

	if (d->kind == DO_FLUSH)
		return rec.flushing &&
		       (rec.goes_bare || rec.live[d->chain].top == TRACE_BASE);
	for (i = 0; i < rec.opt->threads; i++)
		if (d->chain == rec.busy[i].chain && d->sector < rec.busy[i].to &&
		    rec.busy[i].from < d->sector + d->sectors)
			return true;
	return false;
}

/* Holding the lock. The model's part; returns the clock. */
static u64 begin(u32 thread, struct todo *d)
{
	struct trace_op op = {
		.chain = d->chain, .branch = rec.live[d->chain].branch, .fua = d->fua,
		.from = d->sector, .to = d->sector + d->sectors,
		.submit = rec.clock++, .complete = TRACE_NEVER,
	};

	rec.in_flight++;
	rec.begun++;
	if (d->kind == DO_FLUSH) {
		rec.flushing++;
		return op.submit;
	}
	rec.busy[thread] = (struct range){ op.from, op.to, d->chain };
	op.kind = d->kind == DO_WRITE ? TRACE_WRITE :
		  d->kind == DO_ZERO ? TRACE_ZERO : TRACE_DISCARD;
	if (d->kind == DO_DISCARD) {
		op.from = round_up_to(op.from, rec.opt->grain);
		if (op.to != rec.opt->sectors)
			op.to = round_down_to(op.to, rec.opt->grain);
		op.to = max_u64(op.from, op.to);
	}
	d->gen = trace_add_op(rec.trace, &op);
	return op.submit;
}

static int perform(const struct todo *d, void *buffer)
{
	int fd = rec.live[d->chain].fd;

	switch (d->kind) {
	case DO_WRITE:
		stamp_fill(buffer, rec.opt->seed, d->gen, d->sector, d->sectors);
		return blk_write(fd, buffer, d->sector, d->sectors, d->fua);
	case DO_ZERO:
		return blk_zero(fd, d->sector, d->sectors, d->how);
	case DO_DISCARD:
		return blk_discard(fd, d->sector, d->sectors);
	case DO_FLUSH:
		return blk_flush(fd);
	}
	return -EINVAL;
}

/* Holding the lock. */
static void finish(u32 thread, const struct todo *d, u64 submitted, void *buffer)
{
	if (d->kind == DO_FLUSH)
		rec.flushing--;
	else
		rec.trace->op[d->gen].complete = rec.clock++;
	rec.busy[thread] = (struct range){ 0, 0, 0 };
	if (d->kind == DO_FLUSH)
		mark(thread, TRACE_FLUSH, d->chain, submitted, buffer);
	else if (d->fua)
		mark(thread, TRACE_FUA, d->chain, d->gen, buffer);
	else if (d->gen % 4 == 0)
		mark(thread, TRACE_TICK, d->chain, 0, buffer);
	rec.in_flight--;
	rec.ended++;
	pthread_cond_broadcast(&rec.changed);
}

/* Holding the lock. */
static void one_operation(u32 thread, void *buffer)
{
	struct todo d;
	u64 submitted;
	int r;

	do
		choose(&d);
	while (is_busy(&d));
	submitted = begin(thread, &d);
	pthread_mutex_unlock(&rec.lock);
	r = perform(&d, buffer);
	if (r)
		die("recording: operation %d on %llu+%llu: %s", d.kind,
		    (unsigned long long)d.sector, (unsigned long long)d.sectors,
		    strerror(-r));
	pthread_mutex_lock(&rec.lock);
	finish(thread, &d, submitted, buffer);
}

static void *worker(void *arg)
{
	void *buffer = xmalloc_io(WRITE_MAX << SECTOR_SHIFT);
	u32 thread = (uintptr_t)arg;

	pthread_mutex_lock(&rec.lock);
	while (!rec.stop) {
		if (rec.begun < rec.allowed)
			one_operation(thread, buffer);
		else
			pthread_cond_wait(&rec.changed, &rec.lock);
	}
	pthread_mutex_unlock(&rec.lock);
	free(buffer);
	return NULL;
}

static void allow(u64 more, bool storm)
{
	pthread_mutex_lock(&rec.lock);
	rec.storm = storm;
	rec.allowed += more;
	pthread_cond_broadcast(&rec.changed);
	pthread_mutex_unlock(&rec.lock);
}

/* --- growth --- */

/* One unit more for each delta that has not its full size yet. */
static bool grow(void)
{
	const struct layout *l = &rec.trace->layout;
	bool grown = false;
	u32 i;

	for (i = 0; i < rec.trace->nr_deltas; i++) {
		u64 size = rec.stack.delta[i]->sectors + REDO_UNIT_SECTORS;

		if (size > l->delta_sectors)
			continue;
		say("delta %u grows to %llu sectors\n", i, (unsigned long long)size);
		stack_resize(&rec.stack, i, size);
		grown = true;
	}
	return grown;
}

/* Holding the lock. Nothing has ended for some time: a delta is full, or we are stuck. */
static void stalled(double *since)
{
	bool grown;

	if (seconds_now() - *since < STALLED)
		return;
	pthread_mutex_unlock(&rec.lock);
	grown = rec.opt->workload->units && grow();
	pthread_mutex_lock(&rec.lock);
	if (grown)
		*since = seconds_now() + 1;	/* it looks once a second */
	else if (seconds_now() - *since > STUCK)
		die("recording: no operation has ended for %u seconds", STUCK);
}

static void wait_a_bit(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 100000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&rec.changed, &rec.lock, &until);
}

/* Until all but @left of the allowed operations have begun, or all have ended. */
static void wait_for(u64 left)
{
	double since = seconds_now();
	u64 ended;

	pthread_mutex_lock(&rec.lock);
	ended = rec.ended;
	while (rec.begun + left < rec.allowed || (!left && rec.in_flight)) {
		wait_a_bit();
		if (rec.ended != ended)
			since = max_double(since, seconds_now());
		ended = rec.ended;
		stalled(&since);
	}
	pthread_mutex_unlock(&rec.lock);
}

/* --- the chains --- */

static u64 tick(void)
{
	u64 now;

	pthread_mutex_lock(&rec.lock);
	now = rec.clock++;
	pthread_mutex_unlock(&rec.lock);
	return now;
}

static u64 draw(u64 n)
{
	u64 v;

	pthread_mutex_lock(&rec.lock);
	v = rng_below(&rec.rng, n);
	pthread_mutex_unlock(&rec.lock);
	return v;
}

static void mark_main(enum trace_event_kind kind, u32 chain, u64 arg)
{
	void *buffer = xmalloc_io(SECTOR_SIZE);

	pthread_mutex_lock(&rec.lock);
	mark(rec.opt->threads, kind, chain, arg, buffer);
	pthread_mutex_unlock(&rec.lock);
	free(buffer);
}

static void mark_top(u32 chain, u32 delta)
{
	mark_main(TRACE_TOP, chain, delta);
}

/* The line of the chain up to delta @top. */
static char *table(int top, bool live)
{
	u32 path[TRACE_DELTAS_MAX], n = 0, i;
	int d;

	for (d = top; d != TRACE_BASE; d = rec.trace->delta[d].parent)
		n++;
	for (i = n, d = top; d != TRACE_BASE; d = rec.trace->delta[d].parent)
		path[--i] = d;
	return live && rec.tracked ? stack_tracked(&rec.stack, path, n) :
	       stack_table(&rec.stack, path, n);
}

/* --- merges --- */

#define STATUS_MERGE	15

static bool gone(int delta)
{
	int fd = blk_open(rec.stack.delta[delta]->path, false);
	struct redo_super sb;
	bool is;

	is = delta_read_super(fd, &sb) && sb.state == REDO_STATE_RETIRED &&
	     sb.merge_state == REDO_MERGE_GONE;
	close(fd);
	return is;
}

/* As table(), without those that have been merged: what is looked at stays as it is. */
static char *table_left(int top)
{
	u32 path[TRACE_DELTAS_MAX], left[TRACE_DELTAS_MAX], n = 0, m = 0, i;
	int d;

	for (d = top; d != TRACE_BASE; d = rec.trace->delta[d].parent)
		path[n++] = d;
	for (i = n; i--; )
		if (!gone(path[i]))
			left[m++] = path[i];
	return stack_table(&rec.stack, left, m);
}

static bool status_word_is(struct dmdev *dev, u32 nr, const char *word)
{
	char *line = dmdev_status(dev), *save = NULL, *w = strtok_r(line, " ", &save);
	bool is;

	while (--nr && w)
		w = strtok_r(NULL, " ", &save);
	is = w && !strcmp(w, word);
	free(line);
	return is;
}

static void wait_merge(u32 chain)
{
	struct dmdev *dev = rec.live[chain].dev;
	double since = seconds_now();

	while (!status_word_is(dev, STATUS_MERGE, "done") &&
	       !status_word_is(dev, STATUS_MERGE, "none")) {
		if (status_word_is(dev, STATUS_MERGE, "failed") ||
		    seconds_now() - since > STUCK)
			die("recording: the merge does not end: %s", dmdev_status(dev));
		usleep(20000);
	}
}

static void print_uuid(char *to, const u8 *u)
{
	u32 i;

	for (i = 0; i < REDO_UUID_SIZE; i++)
		to += sprintf(to, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
}

/* The deltas that the chain has left, from the oldest to the active one. */
static u32 left_over(int *left)
{
	u32 n = 0, i;
	int d, path[TRACE_DELTAS_MAX];

	for (d = rec.live[0].top; d != TRACE_BASE; d = rec.trace->delta[d].parent)
		if (!gone(d))
			path[n++] = d;
	for (i = 0; i < n; i++)
		left[i] = path[n - 1 - i];
	return n;
}

static void send_merge(int delta)
{
	char text[80] = "merge ";
	struct redo_super sb;
	char *answer;
	int fd;

	fd = blk_open(rec.stack.delta[delta]->path, false);
	if (!delta_read_super(fd, &sb))
		die("recording: delta %d has no superblock", delta);
	close(fd);
	print_uuid(text + strlen(text), sb.uuid);
	answer = dmdev_message(rec.live[0].dev, text);
	if (!answer)
		die("recording: refused: %s", text);
	free(answer);
}

/* A merge that is to be seen in the log should not be over at once. */
static void set_throttle(void)
{
	char *text = xasprintf("merge_throttle %u", (u32)(5 + draw(96)));

	free(dmdev_message(rec.live[0].dev, text));
	free(text);
}

static void begin_merge(char what)
{
	int left[TRACE_DELTAS_MAX];
	u32 n;

	wait_merge(0);
	n = left_over(left);
	if (!n || (strchr("mb", what) && n < 2))
		return;
	set_throttle();
	pthread_mutex_lock(&rec.lock);
	rec.goes_bare |= what == 'A' || n == 1;
	pthread_mutex_unlock(&rec.lock);
	switch (what) {
	case 'm':
		send_merge(left[draw(n - 1)]);
		break;
	case 'b':
		send_merge(left[0]);
		break;
	case 'a':
		send_merge(left[n - 1]);
		break;
	case 'A':
		free(dmdev_message(rec.live[0].dev, "merge_all"));
		break;
	}
}

static void observe_part(u32 *content, const u8 *p, u64 at, u64 len, int top)
{
	struct stamp s;
	u64 i;

	for (i = 0; i < len; i++, p += SECTOR_SIZE) {
		if (stamp_read(p, rec.opt->seed, at + i, &s) > STAMP_GOOD)
			die("recording: view of delta %d, sector %llu: %s", top,
			    (unsigned long long)(at + i),
			    stamp_describe(p, rec.opt->seed, at + i));
		content[at + i] = s.gen;
	}
}

static u32 *observe(int top)
{
	u64 n = rec.opt->sectors, at, len;
	u32 *content = xcalloc(n, sizeof(u32));
	u8 *buffer = xmalloc_io(MIB);
	struct dmdev *view;
	char *line;
	int fd;

	/* The point is sealed; but while it is merged into nobody may look. */
	if (workload_merges(rec.opt->workload))
		wait_merge(0);
	line = workload_merges(rec.opt->workload) ? table_left(top) : table(top, false);
	view = dmdev_create("observe", n, rec.opt->target, line, true, false);
	if (!view)
		die("recording: no view of \"%s\"", line);
	fd = blk_open(view->path, false);
	for (at = 0; at < n; at += len) {
		len = min_u64(MIB >> SECTOR_SHIFT, n - at);
		if (blk_read(fd, buffer, at, len))
			die("recording: reading a view at %llu", (unsigned long long)at);
		observe_part(content, buffer, at, len, top);
	}
	close(fd);
	dmdev_remove(view);
	free(line);
	free(buffer);
	return content;
}

/* Is it one that the kernel would not make by itself? */
static bool unusual(u32 nr)
{
	return rec.opt->journal != REDO_JOURNAL_BLOCKS ||
	       (!nr && rec.opt->grain != REDO_GRAIN_SECTORS_MIN);
}

static void format(u32 nr, int parent)
{
	int fd = blk_open(rec.stack.delta[nr]->path, true), below = -1;

	if (parent != TRACE_BASE)
		below = blk_open(rec.stack.delta[parent]->path, false);
	delta_format(fd, below, nr + 1, rec.opt->sectors, rec.opt->grain, rec.opt->journal);
	close(fd);
	if (below >= 0)
		close(below);
}

static struct dmdev *device(u32 chain, int top)
{
	char *line = table(top, !chain);
	struct dmdev *d = dmdev_create(chain ? "clone" : "live", rec.opt->sectors,
				       rec.opt->target, line, false, false);

	if (!d)
		die("recording: the kernel refused \"%s\"", line);
	free(line);
	return d;
}

static void activate(u32 chain, int top)
{
	struct live *l = &rec.live[chain];

	l->dev = device(chain, top);
	l->fd = blk_open(l->dev->path, true);
	pthread_mutex_lock(&rec.lock);
	l->top = top;
	l->up = true;
	pthread_mutex_unlock(&rec.lock);
}

static void deactivate(u32 chain)
{
	if (!rec.live[chain].up)
		return;
	rec.live[chain].up = false;
	close(rec.live[chain].fd);
	dmdev_remove(rec.live[chain].dev);
}

/* The next delta, on @parent, for @chain. It is in the trace when it is born. */
static struct trace_delta *conceive(u32 chain, int parent, bool first)
{
	u32 nr = rec.trace->nr_deltas;
	struct trace_delta *d = &rec.trace->delta[nr];

	d->parent = parent;
	d->chain = chain;
	d->branch = first ? ++rec.nr_branches : rec.live[chain].branch;
	d->first = first;
	/* It may count as soon as it is formatted: there is nothing to seal in a base. */
	d->begin = tick();
	if (first || unusual(nr))
		format(nr, parent);
	return d;
}

/* --- change ids --- */

/* @text: what the kernel has said; the user has it from now on. */
static void new_id(u64 begin, u64 end, int delta, u16 branch, const char *text)
{
	struct trace_id *id = &rec.trace->id[rec.trace->nr_ids];
	const char *number = strchr(text, '/');

	if (!number || rec.trace->nr_ids == TRACE_IDS_MAX)
		die("recording: \"%s\" is change id number %u", text, rec.trace->nr_ids);
	id->number = strtoull(number + 1, NULL, 10);
	id->begin = begin;
	id->end = end;
	id->delta = delta;
	id->branch = branch;
	id->doubted = TRACE_NEVER;
	say("change id %s\n", text);
	mark_main(TRACE_ID, 0, rec.trace->nr_ids++);
}

static void take_id(bool alone)
{
	char text[CBT_ID_SIZE];
	u64 begin;
	int r;

	if (alone)
		wait_for(0);
	begin = tick();
	r = cbt_mark(rec.live[0].dev, NULL, text);
	if (r)
		die("recording: cbt_mark: %s", strerror(r));
	new_id(begin, tick(), TRACE_BASE, rec.live[0].branch, text);
}

static void drop_id(void)
{
	u32 nr = draw(rec.trace->nr_ids - 1);
	char text[CBT_ID_SIZE];
	int r;

	if (rec.dropped[nr])
		return;
	rec.dropped[nr] = true;
	mark_main(TRACE_DROP, 0, nr);
	snprintf(text, sizeof(text), "%.36s/%llu", cbt_now(rec.live[0].dev),
		 (unsigned long long)rec.trace->id[nr].number);
	r = cbt_drop(rec.live[0].dev, text);
	if (r && !((r == ESTALE || r == ENOSPC) && workload_store_full(rec.opt->workload)))
		die("recording: cbt_drop: %s", strerror(r));
}

/* Was @delta sealed when an id was given? The snapshot that tracking began with need not count. */
static bool sealed_at_id(int delta)
{
	const struct trace *t = rec.trace;
	u32 i;

	for (i = 0; i < t->nr_ids; i++) {
		int d = t->id[i].delta;

		if (d != TRACE_BASE && !t->delta[d].first && t->delta[d].parent == delta &&
		    !(i == 0 && strchr(rec.opt->workload->steps, 'E')))
			return true;
	}
	return false;
}

/* A revert to what nobody knows how it came about. */
static void doubt_ids(const struct trace_delta *d)
{
	struct trace *t = rec.trace;
	u32 i;

	if (sealed_at_id(d->parent))
		return;
	for (i = 0; i < t->nr_ids; i++)
		t->id[i].doubted = min_u64(t->id[i].doubted, d->begin);
}

static void born(struct trace_delta *d)
{
	u32 nr = rec.trace->nr_deltas;

	d->end = tick();
	mark_top(d->chain, nr);
	if (rec.tracked && !d->chain)
		new_id(d->begin, d->end, nr, d->branch, cbt_now(rec.live[0].dev));
	d->content = observe(d->parent);
	pthread_mutex_lock(&rec.lock);
	rec.live[d->chain].top = nr;
	rec.live[d->chain].branch = d->branch;
	rec.trace->nr_deltas++;
	pthread_mutex_unlock(&rec.lock);
}

static void switch_table(u32 chain, int top)
{
	struct dmdev *dev = rec.live[chain].dev;
	bool suspend_first = draw(2);
	/* What a full delta holds back must not hold us up. */
	bool noflush = rec.opt->workload->units;
	char *line = table(top, !chain);

	if (suspend_first)
		dmdev_suspend(dev, noflush);
	if (!dmdev_load(dev, rec.opt->sectors, rec.opt->target, line, false))
		die("recording: the kernel refused \"%s\"", line);
	if (!suspend_first)
		dmdev_suspend(dev, noflush);
	dmdev_resume(dev);
	free(line);
}

/* While the workers go on. */
static void take_snapshot(u32 chain)
{
	struct trace_delta *d = conceive(chain, rec.live[chain].top, false);

	switch_table(chain, d - rec.trace->delta);
	born(d);
}

/* A sealed delta drawn at random: one that another is on. */
static int draw_point(void)
{
	const struct trace *t = rec.trace;
	u32 nr;

	do
		nr = draw(t->nr_deltas);
	while (t->delta[nr].parent == TRACE_BASE);
	return t->delta[nr].parent;
}

static void retire(int delta)
{
	int fd = blk_open(rec.stack.delta[delta]->path, true);

	delta_retire(fd);
	close(fd);
}

static void revert(bool offline)
{
	struct trace_delta *d;
	int old;

	wait_for(0);
	old = rec.live[0].top;
	if (offline)
		deactivate(0);
	d = conceive(0, draw_point(), true);
	doubt_ids(d);
	if (offline)
		activate(0, d - rec.trace->delta);
	else
		switch_table(0, d - rec.trace->delta);
	born(d);
	retire(old);
}

static void make_clone(void)
{
	struct trace_delta *d = conceive(1, draw_point(), true);

	/* Workers may write to it only when it is in the trace. */
	rec.live[1].dev = device(1, d - rec.trace->delta);
	rec.live[1].fd = blk_open(rec.live[1].dev->path, true);
	born(d);
	pthread_mutex_lock(&rec.lock);
	rec.live[1].up = true;
	pthread_mutex_unlock(&rec.lock);
}

static void enable(void)
{
	u64 begin = tick();

	rec.tracked = true;
	switch_table(0, rec.live[0].top);
	new_id(begin, tick(), TRACE_BASE, rec.live[0].branch, cbt_now(rec.live[0].dev));
}

static void reopen(u32 chain)
{
	wait_for(0);
	deactivate(chain);
	activate(chain, rec.live[chain].top);
}

/* --- set-up --- */

static void plan_layout(struct layout *l, const struct record_options *opt)
{
	const u64 align = MIB >> SECTOR_SHIFT;

	l->mail = 0;
	l->base = align;
	l->base_sectors = opt->sectors;
	l->delta = round_up_to(l->base + l->base_sectors, align);
	l->delta_sectors = delta_device_sectors(opt->sectors, opt->grain, 0);
	l->nr_deltas = workload_deltas(opt->workload);
	l->sectors = l->delta + l->nr_deltas * l->delta_sectors;
	l->block = opt->workload->block;
	if (!l->block)
		return;
	l->store = round_up_to(l->sectors, align);
	l->store_sectors = store_sectors(opt->sectors, l->block, opt->workload->store);
	l->sectors = l->store + round_up_to(l->store_sectors, align);
}

/* The kernel makes one of a blank one, if it need not be an unusual one. */
static void set_up_store(void)
{
	const struct workload *w = rec.opt->workload;
	int fd;

	if (!w->block)
		return;
	rec.tracked = !strpbrk(w->steps, WORKLOAD_ENABLES);
	if (w->block == REDO_CBT_BLOCK_SECTORS_DEFAULT)
		return;
	fd = blk_open(rec.stack.store->path, true);
	store_format(fd, rec.opt->sectors, w->block);
	close(fd);
	mark_main(TRACE_TICK, 0, 0); /* no cut lies before */
}

static void set_up(void)
{
	const struct layout *l = &rec.trace->layout;
	char *params;
	u8 *image;
	u32 i;

	/*
	 * A flush to this one completes at once. Two that are in flight could
	 * otherwise be logged the wrong way round, with the writes that they cover.
	 */
	loopdev_open(&rec.data, l->sectors, false);
	loopdev_open(&rec.log, LOG_SECTORS, true);
	image = loopdev_map(&rec.data);
	stamp_fill(image + (l->base << SECTOR_SHIFT), rec.opt->seed, 1, 0, l->base_sectors);
	loopdev_unmap(&rec.data, image);
	params = xasprintf("%s %s", rec.data.devno, rec.log.devno);
	rec.logger = dmdev_create("log", l->sectors, "log-writes", params, false, false);
	if (!rec.logger)
		die("cannot make a dm-log-writes device");
	free(params);
	/* dm-log-writes says that it has one, whatever is below. */
	if (!rec.opt->cache)
		blkdev_deny_cache(rec.logger->path);
	stack_build(&rec.stack, l, rec.logger->devno);
	for (i = 0; rec.opt->workload->units && i < l->nr_deltas; i++)
		stack_resize(&rec.stack, i, rec.opt->workload->units * REDO_UNIT_SECTORS);
	rec.mail_fd = blk_open(rec.stack.mail->path, true);
	set_up_store();
}

static void *take_down(u64 *log_bytes)
{
	struct lw_log log;
	void *map, *copy;

	close(rec.mail_fd);
	stack_remove(&rec.stack);
	dmdev_remove(rec.logger);
	map = loopdev_map(&rec.log);
	lw_parse(&log, map, LOG_SECTORS << SECTOR_SHIFT);
	*log_bytes = lw_bytes(&log, map);
	copy = xmalloc(*log_bytes);
	memcpy(copy, map, *log_bytes);
	lw_free(&log);
	loopdev_unmap(&rec.log, map);
	loopdev_close(&rec.data);
	loopdev_close(&rec.log);
	return copy;
}

static void trace_begin(struct trace *t, const struct record_options *opt)
{
	const struct trace_op none = { 0 }, initial = { .to = opt->sectors };

	memset(t, 0, sizeof(*t));
	t->seed = opt->seed;
	t->grain = opt->grain;
	t->cache = opt->cache;
	plan_layout(&t->layout, opt);
	trace_add_op(t, &none);
	trace_add_op(t, &initial);
}

static void step(char what)
{
	switch (what) {
	case 'w':
		allow(rec.opt->ops, false);
		wait_for(rec.opt->ops / 2);
		break;
	case 'x':
		allow(rec.opt->storm, true);
		wait_for(rec.opt->storm / 2);
		break;
	case '.':
		wait_for(0);
		break;
	case 's':
	case 'S':
		take_snapshot(what == 'S');
		break;
	case 'r':
	case 'R':
		revert(what == 'R');
		break;
	case 'k':
	case 'K':
		take_id(what == 'K');
		break;
	case 'd':
		drop_id();
		break;
	case 'e':
		enable();
		break;
	case 'E':
		rec.tracked = true;
		take_snapshot(0);
		break;
	case 'c':
		make_clone();
		break;
	case 'o':
		reopen(0);
		break;
	case 'm':
	case 'b':
	case 'a':
	case 'A':
		begin_merge(what);
		break;
	case 'M':
		wait_merge(0);
		break;
	default:
		die("no step %c", what);
	}
}

static void workload(void)
{
	const char *s;

	for (s = rec.opt->workload->steps; *s; s++) {
		say("--- step %c\n", *s);
		step(*s);
	}
	wait_for(0);
}

void *record_run(struct trace *t, const struct record_options *opt, u64 *log_bytes)
{
	pthread_t threads[THREADS_MAX];
	u32 i;

	rec.opt = opt;
	rec.trace = t;
	rec.clock = 1;
	rng_init(&rec.rng, opt->seed, 0);
	trace_begin(t, opt);
	set_up();
	activate(0, TRACE_BASE);
	if (rec.tracked)
		new_id(0, tick(), TRACE_BASE, 0, cbt_now(rec.live[0].dev));
	for (i = 0; i < opt->threads; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)i))
			die("cannot create a thread");
	workload();
	pthread_mutex_lock(&rec.lock);
	rec.stop = true;
	pthread_cond_broadcast(&rec.changed);
	pthread_mutex_unlock(&rec.lock);
	for (i = 0; i < opt->threads; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < TRACE_CHAINS; i++)
		deactivate(i);
	return take_down(log_bytes);
}
