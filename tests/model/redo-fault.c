// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Failures one by one. A workload on a chain of redo devices - writes of all kinds,
 * snapshots, views, a revert or merges, deactivation and activation - is run again and again;
 * in run n the n-th request to the lower devices (or the n-th allocation of the
 * module) fails. Each time: nothing hangs; what is read is right or an error; a
 * failure is told to the caller, or makes the chain read-only with a dm event, or is
 * at least logged; and after a new activation everything that was flushed is there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blkio.h"
#include "delta.h"
#include "inject.h"
#include "jobs.h"
#include "ledger.h"
#include "loopdev.h"
#include "rng.h"
#include "stamp.h"
#include "tally.h"
#include "watch.h"

#define DELTAS		6
#define BATCH_MAX	5
#define IO_MAX		128			/* sectors of a write */
#define READ_SECTORS	(MIB / SECTOR_SIZE)
#define MERGE_SECONDS	60

static struct {
	u64 seed, from, to, stride, seconds, sectors;
	u32 grain, threads, watchdog, check_every;
	bool small_journal, cut, merges;
	const char *redosetup;
	struct injection inject;
} opt = {
	.seed = 1, .from = 1, .to = ~0ULL, .stride = 1, .sectors = MIB / SECTOR_SIZE,
	.grain = 8, .watchdog = 90, .check_every = 10,
	.inject = { "requests", "rwfd", "once", "before" },
};

/* One lower device. */
struct store {
	struct loopdev loop;
	struct dmdev *dm;	/* redo-fault over it */
	u8 *map;
};

static struct store base, delta[DELTAS];

/* One line of a table, and what the points below its deltas hold. */
struct path {
	u32 depth;
	u32 delta[DELTAS];
};

static struct run {
	u64 n;
	u64 stamp_seed;
	struct rng rng;
	struct path path, attempt;	/* attempt: its reload has failed */
	bool attempting;
	u32 used;			/* deltas taken so far */
	struct ledger live, point[DELTAS];	/* point[i]: below delta i */
	struct dmdev *dm;		/* NULL: not active */
	int fd;
	u32 gen;
	u64 errors;			/* told to the caller */
	bool broken;			/* no more than a few operations from here on */
	bool on_base;			/* the base may take writes */
	u32 events;			/* before the present table */
	const char *step;
	struct injected hit;		/* the first failure, and what it met */
	enum role hit_role;
	u32 hit_magic;
} run;

static struct {
	u64 runs, errors, modes, logged, ignored, unread;
} total;

/* --- lower devices --- */

static void store_open(struct store *s, const char *name, u64 sectors)
{
	char *params;

	loopdev_open(&s->loop, sectors, true);
	s->map = loopdev_map(&s->loop);
	params = xasprintf("%s 0", s->loop.devno);
	s->dm = dmdev_create(name, sectors, "redo-fault", params, false, false);
	if (!s->dm)
		die("cannot make a redo-fault device");
	free(params);
}

static void store_clear(struct store *s)
{
	if (fallocate(s->loop.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      s->loop.sectors << SECTOR_SHIFT))
		die_errno("fallocate");
}

/* A piece of a store's content; what is in none is a hole. */
struct piece {
	struct piece *next;
	u64 at, bytes;
	u8 data[];
};

static struct piece *copy_take(const struct store *s)
{
	struct piece *all = NULL, *p;
	off_t from, to = 0;

	while ((from = lseek(s->loop.memfd, to, SEEK_DATA)) >= 0) {
		to = lseek(s->loop.memfd, from, SEEK_HOLE);
		p = xmalloc(sizeof(*p) + to - from);
		*p = (struct piece){ .next = all, .at = from, .bytes = to - from };
		memcpy(p->data, s->map + from, p->bytes);
		all = p;
	}
	return all;
}

/* Brings it back, and frees the copy. */
static void copy_restore(struct store *s, struct piece *all)
{
	struct piece *p;

	store_clear(s);
	while ((p = all)) {
		all = p->next;
		memcpy(s->map + p->at, p->data, p->bytes);
		free(p);
	}
}

static void stores_open(void)
{
	u64 sectors = delta_device_sectors(opt.sectors, opt.grain, 0);
	u32 i;

	store_open(&base, "base", opt.sectors);
	for (i = 0; i < DELTAS; i++) {
		char *name = xasprintf("delta%u", i);

		store_open(&delta[i], name, sectors);
		free(name);
	}
}

static void stores_fresh(void)
{
	u32 i;

	for (i = 0; i < DELTAS; i++)
		store_clear(&delta[i]);
	stamp_fill(base.map, run.stamp_seed, 1, 0, opt.sectors);
}

static char *table(const struct path *p)
{
	char *line = xasprintf("%s %u", base.dm->devno, p->depth);
	u32 i;

	for (i = 0; i < p->depth; i++) {
		char *longer = xasprintf("%s %s", line, delta[p->delta[i]].dm->devno);

		free(line);
		line = longer;
	}
	return line;
}

/* --- what has failed --- */

static int delta_of(const char *devno)
{
	int i;

	for (i = 0; i < DELTAS; i++)
		if (!strcmp(devno, delta[i].loop.devno))
			return i;
	return -1;
}

static enum role role_of(int nr)
{
	const struct path *p = &run.path;
	u32 i;

	if (nr < 0)
		return ROLE_BASE;
	for (i = 0; i < p->depth; i++)
		if (p->delta[i] == (u32)nr)
			return i == p->depth - 1 ? ROLE_ACTIVE : ROLE_PARENT;
	return ROLE_NEW;
}

/*
 * After each step: has it met the failure? Later the active delta may be a parent, and
 * something else be where the failed read was.
 */
static void notice(void)
{
	int nr;

	if (run.hit.failed || strcmp(opt.inject.what, "requests"))
		return;
	inject_look(&run.hit);
	if (!run.hit.failed)
		return;
	nr = delta_of(run.hit.devno);
	run.hit_role = role_of(nr);
	run.hit_magic = run.hit.magic;
	if (nr >= 0 && run.hit.kind == 'r')
		memcpy(&run.hit_magic, delta[nr].map + (run.hit.sector << SECTOR_SHIFT),
		       sizeof(run.hit_magic));
}

/* --- the chain --- */

static struct dmdev *device(const char *name, const struct path *p, bool read_only)
{
	char *line = table(p);
	struct dmdev *d = dmdev_create(name, opt.sectors, "redo", line, read_only, true);

	free(line);
	if (!d)
		run.errors++;
	return d;
}

static bool activate(void)
{
	run.dm = device("live", &run.path, false);
	notice();
	if (!run.dm) {
		run.broken = true;
		return false;
	}
	run.fd = blk_open(run.dm->path, true);
	run.events = 0;
	return true;
}

/* After a resume that has failed it is suspended, and requests wait. */
static bool usable(void)
{
	return run.dm && !run.dm->suspended;
}

static void deactivate(void)
{
	if (!run.dm)
		return;
	close(run.fd);
	dmdev_remove(run.dm);
	run.dm = NULL;
	notice();
}

/* Has it become worse? That must be an event as well. */
static void check_mode(void)
{
	char *status = dmdev_status(run.dm);
	double end = seconds_now() + 10;
	bool bad = !strncmp(status, "ro ", 3) || !strcmp(status, "Fail");

	if (bad && !run.broken && !run.dm->suspended) {
		while (dmdev_events(run.dm) == run.events) {
			if (seconds_now() > end)
				die("the status is \"%.16s\", and there was no event", status);
			usleep(1000);
		}
		total.modes++;
		run.broken = true;
	}
	free(status);
}

/* --- operations --- */

static u64 log_size(u64 max)
{
	u64 v = 1ULL << rng_below(&run.rng, 8);

	return min_u64(max, v + rng_below(&run.rng, v));
}

static void choose_place(struct job *j, u64 max)
{
	u64 unit = rng_percent(&run.rng, 40) ? 1 : rng_percent(&run.rng, 50) ? 8 : opt.grain;

	j->sectors = log_size(max);
	j->sector = round_down_to(rng_below(&run.rng, opt.sectors), unit);
	if (rng_percent(&run.rng, 50))
		j->sectors = min_u64(max, round_up_to(j->sectors, unit));
	j->sectors = min_u64(j->sectors, opt.sectors - j->sector);
}

static void choose_job(struct job *j, bool storm)
{
	u64 pick = rng_below(&run.rng, 100);

	*j = (struct job){ .fd = run.fd, .kind = JOB_WRITE };
	if (!storm && pick >= 60)
		j->kind = pick < 75 ? JOB_FLUSH : pick < 87 ? JOB_DISCARD : JOB_ZERO;
	if (j->kind == JOB_DISCARD && !run.path.depth)
		j->kind = JOB_ZERO;
	j->fua = j->kind == JOB_WRITE && run.path.depth && !run.on_base && (storm || rng_percent(&run.rng, 25));
	j->how = rng_below(&run.rng, 3);
	if (j->kind != JOB_FLUSH)
		choose_place(j, storm ? 16 : j->kind == JOB_WRITE ? IO_MAX : 4 * IO_MAX);
	j->gen = j->kind == JOB_WRITE ? run.gen++ : 0;
}

static bool overlaps(const struct job *jobs, u32 n, const struct job *j)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (jobs[i].sector < j->sector + j->sectors &&
		    j->sector < jobs[i].sector + jobs[i].sectors)
			return true;
	return false;
}

/* The sectors whose content it sets: a discard ignores parts of grains. */
static void extent(const struct job *j, u64 *sector, u64 *sectors)
{
	u64 from = j->sector, to = j->sector + j->sectors;

	if (j->kind == JOB_DISCARD) {
		from = round_up_to(from, opt.grain);
		if (to != opt.sectors)
			to = round_down_to(to, opt.grain);
		to = max_u64(from, to);
	}
	*sector = from;
	*sectors = to - from;
}

static void account(struct job *jobs, u32 n)
{
	u64 sector, sectors;
	u32 i;

	/* What ran beside a flush need not be in it. */
	for (i = 0; i < n; i++)
		if (jobs[i].kind == JOB_FLUSH && !jobs[i].result)
			ledger_flushed(&run.live, 0, opt.sectors);
	for (i = 0; i < n; i++) {
		if (jobs[i].result) {
			say("%s of %llu+%llu failed\n", job_name(&jobs[i]),
			    (unsigned long long)jobs[i].sector,
			    (unsigned long long)jobs[i].sectors);
			run.errors++;
			continue;
		}
		extent(&jobs[i], &sector, &sectors);
		ledger_acked(&run.live, sector, sectors);
		if (jobs[i].fua)
			ledger_flushed(&run.live, sector, sectors);
	}
}

static void batch(u32 n, bool storm)
{
	struct job jobs[BATCH_MAX];
	u64 sector, sectors;
	u32 i;

	if (!usable())
		return;
	for (i = 0; i < n; i++) {
		do
			choose_job(&jobs[i], storm);
		while (overlaps(jobs, i, &jobs[i]));
		extent(&jobs[i], &sector, &sectors);
		ledger_begin(&run.live, sector, sectors, jobs[i].gen);
	}
	if (opt.threads) {
		jobs_start(jobs, n);
		jobs_wait();
	} else {
		jobs_run_serially(jobs, n);
	}
	account(jobs, n);
	notice();
	check_mode();
}

static void flush(void)
{
	struct job j = { .kind = JOB_FLUSH, .fd = run.fd };

	if (!usable())
		return;
	jobs_run_serially(&j, 1);
	account(&j, 1);
	notice();
	check_mode();
}

/* --- comparing --- */

static void compare(int fd, const char *what, u64 from, u64 to, const struct ledger *l,
		    enum ledger_view view, bool errors_allowed)
{
	static u8 *buf;
	u64 at, len, i;

	if (!buf)
		buf = xmalloc_io(READ_SECTORS << SECTOR_SHIFT);
	for (at = from; at < to; at += len) {
		len = min_u64(READ_SECTORS, to - at);
		if (blk_read(fd, buf, at, len)) {
			if (!errors_allowed)
				die("%s: %llu+%llu cannot be read", what,
				    (unsigned long long)at, (unsigned long long)len);
			run.errors++;
			continue;
		}
		for (i = 0; i < len; i++) {
			const u8 *p = buf + (i << SECTOR_SHIFT);
			struct stamp s;

			if (stamp_read(p, run.stamp_seed, at + i, &s) <= STAMP_GOOD &&
			    ledger_allows(l, view, at + i, s.gen))
				continue;
			die("%s: sector %llu: expected generation %s; found %s", what,
			    (unsigned long long)(at + i), ledger_describe(l, at + i),
			    stamp_describe(p, run.stamp_seed, at + i));
		}
	}
}

static void read_some(u32 n)
{
	struct job j = { 0 };

	while (n-- && usable()) {
		choose_place(&j, READ_SECTORS);
		compare(run.fd, "live", j.sector, j.sector + j.sectors, &run.live, LEDGER_LIVE,
			true);
		notice();
	}
}

/* A view of a point, while the chain is at work. */
static void view(u32 depth)
{
	struct path p = run.path;
	struct dmdev *d;
	int fd;

	if (!usable() || depth >= p.depth)
		return;
	p.depth = depth;
	d = device("view", &p, true);
	notice();
	if (!d)
		return;
	fd = blk_open(d->path, false);
	compare(fd, "view", 0, opt.sectors, &run.point[p.delta[depth]], LEDGER_LIVE, true);
	close(fd);
	dmdev_remove(d);
	notice();
}

static void ask(void)
{
	u64 from = rng_below(&run.rng, opt.sectors);
	char *text, *answer;

	if (!usable() || !run.path.depth)
		return;
	text = xasprintf("allocated %llu %llu", (unsigned long long)from,
			 (unsigned long long)(opt.sectors - from));
	answer = dmdev_message(run.dm, text);
	notice();
	if (!answer)
		run.errors++;
	else if (!strstr(answer, "end") && !strstr(answer, "next="))
		die("%s: \"%s\"", text, answer);
	free(answer);
	free(text);
}

/* --- snapshots and reverts: a new delta on the first @depth of the present ones --- */

static void all_known(struct ledger *l)
{
	ledger_flushed(l, 0, l->sectors);
}

static void format(u32 nr)
{
	int parent = run.attempt.depth > 1 ?
		     delta[run.attempt.delta[run.attempt.depth - 2]].loop.fd : -1;

	delta_format(delta[nr].loop.fd, parent, 0, opt.sectors, opt.grain, REDO_JOURNAL_BLOCKS_MIN);
}

/* Load, suspend, resume in either order. False: it was refused, or the chain is lost. */
static bool switch_to(const struct path *p)
{
	bool suspend_first = rng_percent(&run.rng, 50), loaded;
	char *line = table(p);

	run.events = dmdev_events(run.dm);
	if (suspend_first && !dmdev_try_suspend(run.dm, false))
		run.errors++;
	loaded = dmdev_load(run.dm, opt.sectors, "redo", line, true);
	free(line);
	if (!loaded)
		run.errors++;
	if (loaded && !run.dm->suspended && !dmdev_try_suspend(run.dm, false))
		run.errors++;
	if (run.dm->suspended && !dmdev_try_resume(run.dm)) {
		run.errors++;
		run.broken = true;
		return false;
	}
	return loaded;
}

static void new_delta(u32 depth)
{
	bool revert = depth != run.path.depth, switched;
	u32 nr = run.used;

	if (!usable() || run.broken)
		return;
	run.used++;
	run.attempt = run.path;
	run.attempt.depth = depth + 1;
	run.attempt.delta[depth] = nr;
	run.attempting = true;
	ledger_copy(&run.point[nr], revert ? &run.point[run.path.delta[depth]] : &run.live);
	if (opt.small_journal || (!depth && opt.grain != REDO_GRAIN_SECTORS_MIN))
		format(nr);
	switched = switch_to(&run.attempt);
	notice();
	if (!switched) {
		if (!run.broken)
			run.attempting = false;	/* the old table goes on */
		return;
	}
	run.path = run.attempt;
	run.attempting = false;
	/* What was acknowledged before has been committed now. */
	all_known(&run.point[nr]);
	ledger_copy(&run.live, &run.point[nr]);
	check_mode();
}

static void snapshot(void)
{
	new_delta(run.path.depth);
}

/* --- merges --- */

static bool has_super(u32 nr, struct redo_super *sb)
{
	return delta_super(delta[nr].map, sb);
}

/* The word of the status that says how the merge is; "" if the chain has failed. */
static void merge_word(char word[16])
{
	char *status = dmdev_status(run.dm);

	if (sscanf(status, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %15s", word) != 1)
		word[0] = '\0';
	free(status);
}

static bool merge_is(const char *word)
{
	char now[16];

	merge_word(now);
	return !strcmp(now, word);
}

/* False: it has stopped. */
static bool merge_ends(void)
{
	double end = seconds_now() + MERGE_SECONDS;

	while (merge_is("running")) {
		if (seconds_now() > end)
			die("the merge does not end: %s", dmdev_status(run.dm));
		usleep(1000);
	}
	return merge_is("done") || merge_is("none");
}

/* The line without those that have been merged; true: it is a shorter one. */
static bool path_shorten(void)
{
	struct redo_super sb;
	u32 i, n = 0;

	for (i = 0; i < run.path.depth; i++) {
		if (has_super(run.path.delta[i], &sb) && sb.state == REDO_STATE_RETIRED &&
		    sb.merge_state == REDO_MERGE_GONE)
			continue;
		run.path.delta[n++] = run.path.delta[i];
	}
	i = run.path.depth;
	run.path.depth = n;
	return i != n;
}

static void send(const char *text)
{
	char *answer = dmdev_message(run.dm, text);

	if (!answer)
		run.errors++;
	free(answer);
	notice();
}

/* Of the delta at place @i of the line; -1: of all. */
static void merge_begin(int i)
{
	struct redo_super sb;
	char text[64] = "merge_all", *at = text + sprintf(text, "merge ");
	u32 k;

	if (i < 0) {
		strcpy(text, "merge_all");
	} else if (has_super(run.path.delta[i], &sb)) {
		for (k = 0; k < REDO_UUID_SIZE; k++)
			at += sprintf(at, "%s%02x",
				      k == 4 || k == 6 || k == 8 || k == 10 ? "-" : "", sb.uuid[k]);
	}
	run.on_base = i <= 0;
	send(text);
}

/*
 * What stops a merge is told by the status and the log. It is tried again once. Afterwards
 * the table goes on without what is gone.
 */
static void merge_end(void)
{
	if (!usable() || run.broken)
		return;
	if (!merge_ends()) {
		run.errors++;
		check_mode();
		if (run.broken)
			return;
		send("merge_resume");
		merge_ends();
	}
	check_mode();
	if (merge_is("done") && path_shorten() && !switch_to(&run.path))
		run.broken = true;
	run.on_base = !run.path.depth;
	notice();
}

/* --- the workload --- */

/* Runs until something has broken the chain, and a little on. */
static void batches(u32 n)
{
	while (n-- && !run.broken)
		batch(rng_between(&run.rng, 1, BATCH_MAX), false);
}

/* As if the power had been cut: the journal has to be replayed. */
static void cut(void)
{
	struct piece *copy[DELTAS];
	u32 i;

	batches(2);
	flush();
	batches(1);
	for (i = 0; i < run.path.depth; i++)
		copy[i] = copy_take(&delta[run.path.delta[i]]);
	deactivate();
	for (i = 0; i < run.path.depth; i++)
		copy_restore(&delta[run.path.delta[i]], copy[i]);
	ledger_lost(&run.live);
}

static void merge(const char *what, int i)
{
	run.step = what;
	if (!usable() || run.broken || !run.path.depth)
		return;
	merge_begin(i);
	batches(2);
	merge_end();
	read_some(2);
}

/* Each kind of merge, with operations meanwhile; before the last one everything goes down. */
static void workload_merges(void)
{
	u32 i;

	run.step = "snapshots";
	if (!activate())
		return;
	batches(1);
	for (i = 0; i < 3 && !run.broken; i++) {
		snapshot();
		batches(2);
	}
	if (run.path.depth == 3)
		merge("a merge in the middle", 1);
	if (run.path.depth == 2)
		merge("a merge of the oldest", 0);
	run.step = "a snapshot";
	snapshot();
	batches(2);
	if (run.path.depth == 2)
		merge("a merge of the active one", 1);
	run.step = "a snapshot";
	snapshot();
	batches(2);
	run.step = "a merge of all";
	if (!usable() || run.broken)
		return;
	send("merge_throttle 1MiB");
	merge_begin(-1);
	batches(1);
	run.step = "reopening";
	deactivate();
	if (log_lost())
		ledger_lost(&run.live);
	path_shorten();
	if (!activate())
		return;
	batches(1);
	merge_end();
	read_some(3);
	batches(2);
	flush();
}

static void workload(void)
{
	u32 i;

	run.step = "passthrough";
	if (!activate())
		return;
	batches(2);
	flush();
	run.step = "first snapshot";
	snapshot();
	batches(3);
	read_some(3);
	run.step = "second snapshot";
	snapshot();
	view(1);
	batches(3);
	ask();
	read_some(3);
	run.step = "reopening";
	if (!run.broken) {
		if (opt.cut)
			cut();
		else
			deactivate();
		if (log_lost())
			ledger_lost(&run.live);
		run.broken = false;
		if (!activate())
			return;
	}
	read_some(3);
	batches(2);
	run.step = "revert";
	if (run.path.depth == 2)
		new_delta(1);
	batches(2);
	run.step = "storm";
	for (i = 0; i < 6 && !run.broken; i++)
		batch(4, true);
	run.step = "third snapshot";
	snapshot();
	batches(3);
	read_some(2);
	flush();
	if (run.broken) { /* whatever it has become: what does it do now? */
		run.step = "broken";
		read_some(3);
		batch(4, false);
		flush();
	}
}

/* --- afterwards --- */

/* Which line counts, after a reload that failed? */
static void settle_attempt(void)
{
	bool valid, must = false;
	struct redo_super sb;
	u32 nr;

	if (!run.attempting)
		return;
	nr = run.attempt.delta[run.attempt.depth - 1];
	valid = has_super(nr, &sb);
	if (valid && sb.state == REDO_STATE_ACTIVE) {
		must = true;
	} else if (run.attempt.depth > run.path.depth && run.path.depth) {
		if (!has_super(run.path.delta[run.path.depth - 1], &sb))
			die("a parent has lost its superblock");
		must = sb.state == REDO_STATE_SEALED;
	}
	if (must && !valid)
		die("the parent is sealed, and its child has no superblock");
	if (!valid)
		store_clear(&delta[nr]);
	if (!must && rng_percent(&run.rng, 50))
		return;
	say("the failed reload's line is taken\n");
	run.path = run.attempt;
	ledger_copy(&run.live, &run.point[nr]);
}

static void check_points(enum ledger_view how)
{
	struct path p = run.path;
	struct dmdev *d;
	int fd;

	for (p.depth = 0; p.depth < run.path.depth; p.depth++) {
		/* one of them, or all */
		if (run.n / opt.stride % 4 && run.n / opt.stride % run.path.depth != p.depth)
			continue;
		d = device("point", &p, true);
		if (!d)
			die("no view of the point below delta %u", p.delta[p.depth]);
		fd = blk_open(d->path, false);
		compare(fd, "point", 0, opt.sectors, &run.point[p.delta[p.depth]], how, false);
		close(fd);
		dmdev_remove(d);
	}
}

/* From now on it holds what it holds. */
static void observe(void)
{
	static u8 *buf;
	struct stamp s;
	u64 i;

	if (!buf)
		buf = xmalloc_io(opt.sectors << SECTOR_SHIFT);
	if (blk_read(run.fd, buf, 0, opt.sectors))
		die("the recovered chain cannot be read");
	for (i = 0; i < opt.sectors; i++) {
		stamp_read(buf + (i << SECTOR_SHIFT), run.stamp_seed, i, &s);
		ledger_known(&run.live, i, s.gen);
	}
}

static void check_offline(void)
{
	u32 i;

	if (!opt.redosetup || run.n / opt.stride % opt.check_every)
		return;
	for (i = 0; i < run.path.depth; i++) {
		const char *path = delta[run.path.delta[i]].loop.path;
		char *command = xasprintf("%s check --force %s >/run/redo-fault-check 2>&1", opt.redosetup,
					  path);

		if (system(command) && !system("cat /run/redo-fault-check >&2"))
			die("redosetup check finds faults in delta %u", run.path.delta[i]);
		free(command);
	}
}

/*
 * In place. If what was acknowledged cannot be committed, the next table is refused,
 * once; where none is, nothing may be missing, whether it was flushed or not.
 */
static enum ledger_view load_again(void)
{
	bool told = run.dm->suspended;

	if (switch_to(&run.path))
		return told ? LEDGER_DURABLE : LEDGER_LIVE;
	if (told || !switch_to(&run.path))
		die("the chain cannot be loaded again");
	return LEDGER_DURABLE;
}

/* Nothing is in the way any more: a merge that was begun comes to its end. */
static void recover_merge(void)
{
	if (!opt.merges)
		return;
	if (!merge_ends()) {
		send("merge_resume");
		if (!merge_ends())
			die("the merge is not resumed: %s", dmdev_status(run.dm));
	}
	if (path_shorten() && !switch_to(&run.path))
		die("the chain cannot be loaded after its merge");
	run.on_base = !run.path.depth;
}

static void recover(void)
{
	enum ledger_view how = LEDGER_DURABLE;

	run.step = "recovery";
	settle_attempt();
	if (run.dm)
		how = load_again();
	else if (!activate())
		die("the chain cannot be activated again: %u deltas", run.path.depth);
	run.broken = false;
	recover_merge();
	compare(run.fd, "recovered", 0, opt.sectors, &run.live, how, false);
	check_points(LEDGER_DURABLE);
	observe();
	run.errors = 0;
	batches(3);
	flush();
	if (run.errors || run.broken)
		die("the recovered chain does not work");
	compare(run.fd, "recovered and used", 0, opt.sectors, &run.live, LEDGER_LIVE, false);
	deactivate();
	check_offline();
}

/* --- one run --- */

static void begin_run(u64 n)
{
	run.n = n;
	run.stamp_seed = opt.seed * 1000000 + n;
	rng_init(&run.rng, opt.seed, 0);	/* the same workload for every n */
	run.path.depth = 0;
	run.attempting = run.broken = run.on_base = false;
	run.used = 0;
	run.gen = 2;
	run.errors = 0;
	run.hit.failed = 0;
	jobs_init(opt.threads, run.stamp_seed);
	ledger_init(&run.live, opt.sectors, 1);
	stores_fresh();
}

/* Somebody must have heard of it. */
static void judge(const struct injected *f, u64 modes, bool logged)
{
	if (run.errors)
		total.errors++;
	else if (total.modes != modes)
		; /* counted there */
	else if (logged)
		total.logged++;
	else if (!strcmp(opt.inject.what, "requests") && f->kind != 'd')
		die("a %c request at %s:%llu+%llu failed, and nobody was told", f->kind,
		    f->devno, (unsigned long long)f->sector, (unsigned long long)f->sectors);
	else
		total.ignored++;
}

/* False: the workload has no n-th request. */
static bool one_run(u64 n)
{
	struct injected f;
	u64 modes = total.modes;
	bool logged;

	begin_run(n);
	log_begin();
	watch(opt.watchdog);
	inject_arm(n);
	if (opt.merges)
		workload_merges();
	else
		workload();
	/* A broken chain can be brought back in place, or be removed and made again. */
	if (rng_percent(&run.rng, 50)) {
		inject_disarm(&f);
		if (!run.broken || rng_percent(&run.rng, 50))
			deactivate();
	} else {
		deactivate();
		inject_disarm(&f);
	}
	logged = log_end();
	if (f.failed) {
		total.runs++;
		if (run.hit.failed)
			tally_count(run.hit_role, run.hit.kind, run.hit_magic);
		judge(&f, modes, logged);
		say("run %llu of %llu: %c at %s:%llu+%llu, %llu failed, %llu errors, %s%s\n",
		    (unsigned long long)n, (unsigned long long)f.counted, f.kind ?: '-', f.devno, (unsigned long long)f.sector,
		    (unsigned long long)f.sectors, (unsigned long long)f.failed,
		    (unsigned long long)run.errors, run.step, run.broken ? ", broken" : "");
	}
	if (!inject_pending())
		recover();
	log_end();
	watch(0);
	return f.failed;
}

static void sweep(void)
{
	double start = seconds_now();
	u64 n;

	for (n = opt.from; n <= opt.to; n += opt.stride) {
		if (opt.seconds && seconds_now() - start > opt.seconds) {
			printf("redo-fault: time is over at n = %llu\n", (unsigned long long)n);
			break;
		}
		if (!one_run(n))
			break;
	}
	/* An allocation that is still to fail would hit whoever comes next. */
	while (inject_pending())
		one_run(0);
	printf("redo-fault: seed %llu, %s %s %s %s: %llu failed one by one up to the %lluth: ",
	       (unsigned long long)opt.seed, opt.inject.what, opt.inject.kinds, opt.inject.scope,
	       opt.inject.when, (unsigned long long)total.runs,
	       (unsigned long long)(n - opt.stride));
	printf("%llu told by errors, %llu by mode and event, %llu logged, %llu without effect",
	       (unsigned long long)total.errors, (unsigned long long)total.modes,
	       (unsigned long long)total.logged, (unsigned long long)total.ignored);
	printf("; %.0f s\n", seconds_now() - start);
}

/* --- options --- */

static void how_to_repeat(void)
{
	fprintf(stderr, "at n = %llu, %s; repeat: redo-fault --seed %llu --what %s --kinds %s --scope %s --when %s --grain %u --size %llus --threads %u%s%s%s --from %llu --to %llu\n",
		(unsigned long long)run.n, run.step, (unsigned long long)opt.seed,
		opt.inject.what, opt.inject.kinds, opt.inject.scope, opt.inject.when,
		opt.grain * SECTOR_SIZE, (unsigned long long)opt.sectors, opt.threads,
		opt.small_journal ? " --small-journal" : "", opt.cut ? " --cut" : "",
		opt.merges ? " --merges" : "",
		(unsigned long long)run.n, (unsigned long long)run.n);
}

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 't' },
	{ "stride", required_argument, NULL, 'd' },
	{ "seconds", required_argument, NULL, 'x' },
	{ "what", required_argument, NULL, 'w' },
	{ "kinds", required_argument, NULL, 'k' },
	{ "scope", required_argument, NULL, 'o' },
	{ "when", required_argument, NULL, 'b' },
	{ "grain", required_argument, NULL, 'g' },
	{ "size", required_argument, NULL, 'z' },
	{ "threads", required_argument, NULL, 'j' },
	{ "small-journal", no_argument, NULL, 'J' },
	{ "cut", no_argument, NULL, 'C' },
	{ "merges", no_argument, NULL, 'M' },
	{ "redosetup", required_argument, NULL, 'R' },
	{ "watchdog", required_argument, NULL, 'W' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static const char help_text[] =
"redo-fault [options]: the n-th request, or allocation, of a workload fails, for every n\n"
"  --seed N         of the workload (1)\n"
"  --from N --to N --stride N   which n (all, until there is no nth)\n"
"  --seconds N      stop after that time\n"
"  --what W         requests (default), or the module's allocations: slab, page\n"
"  --kinds K        of requests: letters of rwfd, for read, write, flush, discard (rwfd)\n"
"  --scope S        once; all: that one and every later one; here: on the same device\n"
"  --when W         before (never reaches the device), after (does, and fails all the same)\n"
"  --grain SIZE     (4K)\n"
"  --size SIZE      of the disk (1M)\n"
"  --threads N      of the workload (0: one after the other, always the same order)\n"
"  --small-journal  deltas with the smallest journal\n"
"  --cut            the power is cut in the middle of the workload\n"
"  --merges         another workload: each kind of merge\n"
"  --redosetup P    program that checks the deltas offline, every tenth time\n"
"  --watchdog N     seconds in which a run must end (90)\n"
"  --verbose\n";

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (c) {
		case 's': opt.seed = parse_number(optarg); break;
		case 'f': opt.from = parse_number(optarg); break;
		case 't': opt.to = parse_number(optarg); break;
		case 'd': opt.stride = parse_number(optarg); break;
		case 'x': opt.seconds = parse_number(optarg); break;
		case 'w': opt.inject.what = optarg; break;
		case 'k': opt.inject.kinds = optarg; break;
		case 'o': opt.inject.scope = optarg; break;
		case 'b': opt.inject.when = optarg; break;
		case 'g': opt.grain = parse_size(optarg); break;
		case 'z': opt.sectors = parse_size(optarg); break;
		case 'j': opt.threads = parse_number(optarg); break;
		case 'J': opt.small_journal = true; break;
		case 'C': opt.cut = true; break;
		case 'M': opt.merges = true; break;
		case 'R': opt.redosetup = optarg; break;
		case 'W': opt.watchdog = parse_number(optarg); break;
		case 'v': verbose = true; break;
		case 'h': fputs(help_text, stdout); exit(0);
		default: exit(2);
		}
	}
	if (optind != argc || !opt.stride || !opt.from || !opt.grain || !opt.sectors)
		exit(2);
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	run.step = "beginning";
	die_context = how_to_repeat;
	dmdev_init();
	atexit(tally_print);
	if (!dmdev_have_target("redo-fault") || !dmdev_have_target("redo"))
		die("the targets redo and redo-fault must be loaded");
	stores_open();
	inject_init(&opt.inject, base.dm);
	sweep();
	return 0;
}
