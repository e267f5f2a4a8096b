// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "blkio.h"
#include "delta.h"
#include "dmdev.h"
#include "logwrites.h"
#include "loopdev.h"
#include "record.h"
#include "rng.h"
#include "stack.h"
#include "stamp.h"

#define WRITE_MAX	512			/* sectors */
#define LOG_SECTORS	(4096 * MIB / SECTOR_SIZE)
#define THREADS_MAX	MAIL_SECTORS

struct range {
	u64 from, to;
};

static struct recorder {
	const struct record_options *opt;
	struct trace *trace;
	struct loopdev data, log;
	struct dmdev *logger, *live;
	struct stack stack;
	int live_fd, mail_fd;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* protected by lock */
	u64 clock;
	struct rng rng;
	struct range busy[THREADS_MAX];
	u32 in_flight;
	u64 allowed, begun;	/* operations that may begin; that have begun */
	bool stop, storm;
} rec = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

/* --- marks --- */

/* Holding the lock on entry and return; not meanwhile. */
static void mark(u32 thread, enum trace_event_kind kind, u64 arg, void *buffer)
{
	u64 nr = trace_add_event(rec.trace, kind, arg);
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

static void place(struct todo *d, u64 max)
{
	static const u32 hot_sectors = 2 * MIB / SECTOR_SIZE;
	u64 size = rec.opt->sectors, unit = 1;

	d->sectors = log_size(min_u64(max, size));
	d->sector = rng_below(&rec.rng, rng_percent(&rec.rng, 70) ?
			      min_u64(size, hot_sectors) : size);
	if (rng_percent(&rec.rng, 30))
		unit = 8;
	else if (rng_percent(&rec.rng, 50))
		unit = rec.opt->grain;
	d->sector = round_down_to(d->sector, unit);
	if (rng_percent(&rec.rng, 50))
		d->sectors = min_u64(max, round_up_to(d->sectors, unit));
	if (d->sector + d->sectors > size)
		d->sectors = size - d->sector;
}

/* Small and durable at once: the journal goes round. */
static void choose_for_storm(struct todo *d)
{
	u64 pick = rng_below(&rec.rng, 100);

	d->kind = pick < 85 ? DO_WRITE : pick < 92 ? DO_FLUSH : pick < 96 ? DO_ZERO : DO_DISCARD;
	d->fua = d->kind == DO_WRITE && rng_percent(&rec.rng, 85);
	if (d->kind != DO_FLUSH)
		place(d, d->kind == DO_WRITE ? 16 : WRITE_MAX);
}

static void choose(struct todo *d)
{
	u64 pick = rng_below(&rec.rng, 100);

	memset(d, 0, sizeof(*d));
	if (rec.storm)
		choose_for_storm(d);
	else if (pick < 62) {
		d->kind = DO_WRITE;
		/* on a bare base nothing but its stamp tells when it was, see older_than_fua() */
		d->fua = rec.trace->nr_points && rng_percent(&rec.rng, 20);
		place(d, WRITE_MAX);
	} else if (pick < 82) {
		d->kind = DO_FLUSH;
	} else if (pick < 91 && rec.trace->nr_points) {
		d->kind = DO_DISCARD;
		place(d, 8 * WRITE_MAX);
	} else {
		d->kind = DO_ZERO;
		d->how = rng_below(&rec.rng, 3);
		place(d, 4 * WRITE_MAX);
	}
}

static bool is_busy(const struct todo *d)
{
	u32 i;

	for (i = 0; i < rec.opt->threads; i++)
		if (d->sector < rec.busy[i].to && rec.busy[i].from < d->sector + d->sectors)
			return true;
	return false;
}

/* Holding the lock. The model's part; returns the clock. */
static u64 begin(u32 thread, struct todo *d)
{
	struct trace_op op = {
		.fua = d->fua, .from = d->sector, .to = d->sector + d->sectors,
		.submit = rec.clock++, .complete = TRACE_NEVER,
	};

	rec.in_flight++;
	rec.begun++;
	if (d->kind == DO_FLUSH)
		return op.submit;
	rec.busy[thread] = (struct range){ op.from, op.to };
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
	switch (d->kind) {
	case DO_WRITE:
		stamp_fill(buffer, rec.opt->seed, d->gen, d->sector, d->sectors);
		return blk_write(rec.live_fd, buffer, d->sector, d->sectors, d->fua);
	case DO_ZERO:
		return blk_zero(rec.live_fd, d->sector, d->sectors, d->how);
	case DO_DISCARD:
		return blk_discard(rec.live_fd, d->sector, d->sectors);
	case DO_FLUSH:
		return blk_flush(rec.live_fd);
	}
	return -EINVAL;
}

/* Holding the lock. */
static void finish(u32 thread, const struct todo *d, u64 submitted, void *buffer)
{
	if (d->kind != DO_FLUSH)
		rec.trace->op[d->gen].complete = rec.clock++;
	rec.busy[thread] = (struct range){ 0, 0 };
	if (d->kind == DO_FLUSH)
		mark(thread, TRACE_FLUSH, submitted, buffer);
	else if (d->fua)
		mark(thread, TRACE_FUA, d->gen, buffer);
	else if (d->gen % 4 == 0)
		mark(thread, TRACE_TICK, 0, buffer);
	rec.in_flight--;
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
	while (d.kind != DO_FLUSH && is_busy(&d));
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

static void allow(u64 more)
{
	pthread_mutex_lock(&rec.lock);
	rec.allowed += more;
	pthread_cond_broadcast(&rec.changed);
	pthread_mutex_unlock(&rec.lock);
}

/* Until all but @left of the allowed operations have begun, or all have ended. */
static void wait_for(u64 left)
{
	pthread_mutex_lock(&rec.lock);
	while (rec.begun + left < rec.allowed || (!left && rec.in_flight))
		pthread_cond_wait(&rec.changed, &rec.lock);
	pthread_mutex_unlock(&rec.lock);
}

/* --- the chain --- */

static u64 tick(void)
{
	u64 now;

	pthread_mutex_lock(&rec.lock);
	now = rec.clock++;
	pthread_mutex_unlock(&rec.lock);
	return now;
}

static void mark_snapshot(u32 deltas)
{
	void *buffer = xmalloc_io(SECTOR_SIZE);

	pthread_mutex_lock(&rec.lock);
	mark(rec.opt->threads, TRACE_SNAPSHOT, deltas, buffer);
	pthread_mutex_unlock(&rec.lock);
	free(buffer);
}

static char *table(u32 deltas)
{
	u32 path[TRACE_DELTAS_MAX], i;

	for (i = 0; i < deltas; i++)
		path[i] = i;
	return stack_table(&rec.stack, path, deltas);
}

static u32 *observe(u32 deltas)
{
	u64 n = rec.opt->sectors, at, i, len;
	u32 *content = xcalloc(n, sizeof(u32));
	u8 *buffer = xmalloc_io(MIB);
	char *line = table(deltas);
	struct dmdev *view;
	int fd;

	view = dmdev_create("observe", n, rec.opt->target, line, true, false);
	if (!view)
		die("recording: no view of \"%s\"", line);
	fd = blk_open(view->path, false);
	for (at = 0; at < n; at += len) {
		len = min_u64(MIB >> SECTOR_SHIFT, n - at);
		if (blk_read(fd, buffer, at, len))
			die("recording: reading a view at %llu", (unsigned long long)at);
		for (i = 0; i < len; i++) {
			const u8 *p = buffer + (i << SECTOR_SHIFT);
			struct stamp s;

			if (stamp_read(p, rec.opt->seed, at + i, &s) > STAMP_GOOD)
				die("recording: snapshot point %u, sector %llu: %s", deltas,
				    (unsigned long long)(at + i),
				    stamp_describe(p, rec.opt->seed, at + i));
			content[at + i] = s.gen;
		}
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

static void format(u32 nr)
{
	int fd = blk_open(rec.stack.delta[nr]->path, true);
	int parent = nr ? blk_open(rec.stack.delta[nr - 1]->path, false) : -1;

	delta_format(fd, parent, rec.opt->sectors, rec.opt->grain, rec.opt->journal);
	close(fd);
	if (nr)
		close(parent);
}

static void load(const char *line)
{
	if (!dmdev_load(rec.live, rec.opt->sectors, rec.opt->target, line, false))
		die("recording: the kernel refused \"%s\"", line);
}

/* While the workers go on. */
static void take_snapshot(void)
{
	struct trace_point *p = &rec.trace->point[rec.trace->nr_points];
	u32 deltas = rec.trace->nr_points + 1;
	char *line = table(deltas);
	bool suspend_first;

	if (unusual(deltas - 1))
		format(deltas - 1);
	pthread_mutex_lock(&rec.lock);
	suspend_first = rng_percent(&rec.rng, 50);
	p->begin = rec.clock++;
	pthread_mutex_unlock(&rec.lock);
	if (suspend_first)
		dmdev_suspend(rec.live, false);
	load(line);
	if (!suspend_first)
		dmdev_suspend(rec.live, false);
	dmdev_resume(rec.live);
	p->end = tick();
	mark_snapshot(deltas);
	p->content = observe(deltas - 1);
	pthread_mutex_lock(&rec.lock);
	rec.trace->nr_points = deltas;
	pthread_mutex_unlock(&rec.lock);
	free(line);
}

static void activate(u32 deltas)
{
	char *line = table(deltas);

	rec.live = dmdev_create("live", rec.opt->sectors, rec.opt->target, line, false, false);
	if (!rec.live)
		die("recording: the kernel refused \"%s\"", line);
	rec.live_fd = blk_open(rec.live->path, true);
	free(line);
}

static void deactivate(void)
{
	close(rec.live_fd);
	dmdev_remove(rec.live);
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
	l->nr_deltas = opt->snapshots;
	l->sectors = l->delta + l->nr_deltas * l->delta_sectors;
}

static void set_up(void)
{
	const struct layout *l = &rec.trace->layout;
	char *params;
	u8 *image;

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
	rec.mail_fd = blk_open(rec.stack.mail->path, true);
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

static void workload(void)
{
	u32 deltas;

	allow(rec.opt->ops / 4);
	wait_for(0);
	for (deltas = 0; deltas < rec.opt->snapshots; deltas++) {
		allow(rec.opt->ops);
		wait_for(rec.opt->ops / 2);
		take_snapshot();
		wait_for(0);
		if (deltas % 2)
			continue;
		deactivate();
		activate(deltas + 1);
	}
	allow(rec.opt->ops);
	wait_for(0);
	pthread_mutex_lock(&rec.lock);
	rec.storm = true;
	pthread_mutex_unlock(&rec.lock);
	allow(rec.opt->snapshots ? rec.opt->storm : 0);
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
	activate(0);
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
	deactivate();
	return take_down(log_bytes);
}
