// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Power cuts. A workload on a chain of redo devices is recorded with
 * dm-log-writes below it; then for many places in the log the lower device is
 * made what a cut there could have left, the chain is activated and compared
 * with what the workload was promised.
 */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "delta.h"
#include "player.h"
#include "record.h"
#include "stamp.h"

static struct {
	struct record_options record;
	u64 cuts;		/* 0: every flush and FUA write once */
	u64 only;		/* one cut, + 1 */
	unsigned int recovery;	/* every nth cut is followed by cuts of its recovery */
	unsigned int seconds;
	const char *replay, *save, *redosetup;
} opt = {
	.record = {
		.seed = 1, .sectors = 4 * MIB / SECTOR_SIZE, .grain = 8, .snapshots = 4,
		.threads = 6, .ops = 100, .storm = 100, .journal = REDO_JOURNAL_BLOCKS,
		.cache = true, .target = "redo",
	},
	.recovery = 10,
};

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "cuts", required_argument, NULL, 'n' },
	{ "cut", required_argument, NULL, 'c' },
	{ "recovery", required_argument, NULL, 'y' },
	{ "threads", required_argument, NULL, 'j' },
	{ "ops", required_argument, NULL, 'o' },
	{ "storm", required_argument, NULL, 'm' },
	{ "journal", required_argument, NULL, 'J' },
	{ "snapshots", required_argument, NULL, 'd' },
	{ "grain", required_argument, NULL, 'g' },
	{ "size", required_argument, NULL, 'z' },
	{ "seconds", required_argument, NULL, 'x' },
	{ "no-cache", no_argument, NULL, 'C' },
	{ "replay", required_argument, NULL, 'r' },
	{ "save", required_argument, NULL, 'S' },
	{ "redosetup", required_argument, NULL, 'R' },
	{ "target", required_argument, NULL, 'T' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static const char help_text[] =
"redo-crash [options]: power cuts on a chain of redo devices\n"
"  --seed N        (1)\n"
"  --cuts N        at most so many cut points (every flush and FUA write)\n"
"  --cut N         only this one\n"
"  --recovery N    also cut the recovery after every Nth cut; 0: never (10)\n"
"  --threads N     of the workload (6)\n"
"  --ops N         operations between two snapshots (100)\n"
"  --storm N       small durable writes at the end (100)\n"
"  --journal N     blocks of the journal (1024)\n"
"  --snapshots N   (4)\n"
"  --grain SIZE    (4K)\n"
"  --size SIZE     of the disk (4M)\n"
"  --seconds N     stop after that time\n"
"  --no-cache      lower device without a write cache: all that completed is durable\n"
"  --save DIR      where the recorded run is kept if a cut fails\n"
"  --replay DIR    cut a recorded run again instead of recording one\n"
"  --redosetup P   program that checks the deltas offline\n"
"  --target linear no deltas: test the test\n"
"  --verbose\n";

static void parse(int argc, char **argv)
{
	struct record_options *o = &opt.record;
	int c;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (c) {
		case 's': o->seed = parse_number(optarg); break;
		case 'n': opt.cuts = parse_number(optarg); break;
		case 'c': opt.only = parse_number(optarg) + 1; break;
		case 'y': opt.recovery = parse_number(optarg); break;
		case 'j': o->threads = parse_number(optarg); break;
		case 'o': o->ops = parse_number(optarg); break;
		case 'm': o->storm = parse_number(optarg); break;
		case 'J': o->journal = parse_number(optarg); break;
		case 'd': o->snapshots = parse_number(optarg); break;
		case 'g': o->grain = parse_size(optarg); break;
		case 'z': o->sectors = parse_size(optarg); break;
		case 'x': opt.seconds = parse_number(optarg); break;
		case 'C': o->cache = false; break;
		case 'r': opt.replay = optarg; break;
		case 'S': opt.save = optarg; break;
		case 'R': opt.redosetup = optarg; break;
		case 'T': o->target = optarg; o->snapshots = 0; break;
		case 'v': verbose = true; break;
		case 'h': fputs(help_text, stdout); exit(0);
		default: exit(2);
		}
	}
	if (optind != argc || !o->threads || o->threads >= MAIL_SECTORS ||
	    o->snapshots > TRACE_DELTAS_MAX || !o->grain || !o->sectors)
		exit(2);
}

/* --- the run --- */

struct cut {
	u64 entry;
	u64 nr;			/* in the list of all cuts; seeds what is lost */
};

static struct run {
	struct trace trace;
	void *log_bytes;
	u64 log_size;
	struct lw_log log;
	struct history history;
	struct image img;
	struct checker check;
	struct player player;
	struct cut *cut;
	u64 nr_cuts;

	struct moment moment;
	u8 *fua;
	u64 mail_seen;		/* entries whose mail is in moment */

	/* for messages */
	const struct cut *now;
	char what[200];
	const char *phase;
} run;

static void how_to_repeat(void)
{
	const struct record_options *o = &opt.record;

	if (!run.now) {
		fprintf(stderr, "while recording; seed %llu\n", (unsigned long long)o->seed);
		return;
	}
	fprintf(stderr, "at cut %llu%s: before %s\n", (unsigned long long)run.now->nr,
		run.phase, run.now->entry < run.log.nr ?
		lw_describe(&run.log, run.now->entry) : "the log's end");
	fprintf(stderr, "  %s\n", run.what);
	fprintf(stderr, "  clock: flushed %llu, now %llu; deltas %u to %u\n",
		(unsigned long long)run.moment.flushed, (unsigned long long)run.moment.now,
		run.moment.deltas_min, run.moment.deltas_max);
	if (opt.save && !opt.replay) {
		trace_save(&run.trace, opt.save, run.log_bytes, run.log_size);
		fprintf(stderr, "repeat exactly: redo-crash --replay %s --cut %llu --cuts %llu --recovery %u\n",
			opt.save, (unsigned long long)run.now->nr,
			(unsigned long long)opt.cuts, opt.recovery);
	}
	fprintf(stderr,
		"repeat: redo-crash --seed %llu --cuts %llu --cut %llu --threads %u --ops %u --storm %u --journal %u --snapshots %u --grain %u --size %llus --recovery %u%s\n",
		(unsigned long long)o->seed, (unsigned long long)opt.cuts,
		(unsigned long long)run.now->nr, o->threads, o->ops, o->storm,
		o->journal, o->snapshots,
		o->grain * SECTOR_SIZE, (unsigned long long)o->sectors, opt.recovery,
		o->cache ? "" : " --no-cache");
}

/* --- marks --- */

static bool is_mail(const struct lw_entry *e)
{
	return e->data && e->sector >= run.trace.layout.mail &&
	       e->sector < run.trace.layout.mail + MAIL_SECTORS;
}

static const struct trace_event *mail_event(const struct lw_entry *e)
{
	const struct mail *m = (const void *)e->data;

	if (m->magic != MAIL_MAGIC || m->event >= run.trace.nr_events)
		die("a foreign write in the mail area");
	return &run.trace.event[m->event];
}

static void see_event(const struct trace_event *ev)
{
	struct moment *m = &run.moment;

	switch (ev->kind) {
	case TRACE_FLUSH:
		m->flushed = max_u64(m->flushed, ev->arg);
		break;
	case TRACE_FUA:
		run.fua[ev->arg] = 1;
		break;
	case TRACE_SNAPSHOT:
		m->deltas_min = max_u64(m->deltas_min, ev->arg);
		break;
	}
}

/* The first mark at or after @entry was complete then: nothing newer can be in the image. */
static u64 clock_at(u64 entry)
{
	for (; entry < run.log.nr; entry++)
		if (is_mail(&run.log.entry[entry]))
			return mail_event(&run.log.entry[entry])->marked;
	return TRACE_NEVER;
}

static void moment_at(u64 entry)
{
	u32 i;

	for (; run.mail_seen < entry; run.mail_seen++)
		if (is_mail(&run.log.entry[run.mail_seen]))
			see_event(mail_event(&run.log.entry[run.mail_seen]));
	run.moment.now = clock_at(entry);
	run.moment.deltas_max = 0;
	for (i = 0; i < run.trace.nr_points; i++)
		if (run.trace.point[i].begin <= run.moment.now)
			run.moment.deltas_max = i + 1;
}

/* --- which cuts --- */

static void add_cut(u64 entry)
{
	run.cut = xrealloc(run.cut, (run.nr_cuts + 1) * sizeof(*run.cut));
	run.cut[run.nr_cuts] = (struct cut){ .entry = entry };
	run.nr_cuts++;
}

static int by_entry(const void *a, const void *b)
{
	const struct cut *ca = a, *cb = b;

	return ca->entry < cb->entry ? -1 : ca->entry > cb->entry;
}

static void swap_cuts(struct cut *a, struct cut *b)
{
	struct cut t = *a;

	*a = *b;
	*b = t;
}

/* Does @entry switch a superblock? Around it most can go wrong. */
static bool is_super(u64 entry)
{
	const struct layout *l = &run.trace.layout;
	u64 sector = run.log.entry[entry].sector, within;

	if (sector < l->delta || !run.log.entry[entry].data)
		return false;
	within = (sector - l->delta) % l->delta_sectors;
	return within == redo_super_blocknr(0) * REDO_BLOCK_SECTORS ||
	       within == redo_super_blocknr(1) * REDO_BLOCK_SECTORS;
}

#define NEAR_SUPER	5	/* entries before and behind */

static bool near_super(u64 entry)
{
	u64 from = entry > NEAR_SUPER ? entry - NEAR_SUPER : 0;
	u64 to = min_u64(run.log.nr, entry + NEAR_SUPER + 1);

	for (; from < to; from++)
		if (is_super(from))
			return true;
	return false;
}

static void shuffle(struct cut *cut, u64 n, struct rng *rng)
{
	u64 i;

	for (i = 0; i + 1 < n; i++)
		swap_cuts(&cut[i], &cut[rng_between(rng, i, n - 1)]);
}

/* To the front; returns how many. */
static u64 prefer_supers(void)
{
	u64 i, n = 0;

	for (i = 0; i < run.nr_cuts; i++)
		if (near_super(run.cut[i].entry))
			swap_cuts(&run.cut[i], &run.cut[n++]);
	return n;
}

/*
 * Every place once; then fewer, drawn, half of them where superblocks are
 * switched; or some again, with other losses.
 */
static void choose_cuts(void)
{
	u64 i, places, supers;
	struct rng rng;

	for (i = 0; i <= run.log.nr; i++)
		if (player_can_cut(&run.player, i) &&
		    (i == run.log.nr || !is_mail(&run.log.entry[i])))
			add_cut(i);
	places = run.nr_cuts;
	rng_init(&rng, opt.record.seed, 1);
	shuffle(run.cut, places, &rng);
	supers = min_u64(prefer_supers(), opt.cuts / 2);
	shuffle(run.cut + supers, places - supers, &rng);
	while (opt.cuts > run.nr_cuts)
		add_cut(run.cut[rng_below(&rng, places)].entry);
	if (opt.cuts)
		run.nr_cuts = opt.cuts;
	qsort(run.cut, run.nr_cuts, sizeof(*run.cut), by_entry);
	for (i = 0; i < run.nr_cuts; i++)
		run.cut[i].nr = i;
	printf("redo-crash: seed %llu%s: %llu operations, %u snapshots, %llu log entries, %llu places to cut, %llu cut points\n",
	       (unsigned long long)opt.record.seed, opt.record.cache ? "" : ", no write cache",
	       (unsigned long long)run.trace.nr_ops, run.trace.nr_points,
	       (unsigned long long)run.log.nr, (unsigned long long)places,
	       (unsigned long long)run.nr_cuts);
	fflush(stdout);
}

/* --- one cut --- */

static void cut_rng(struct rng *rng, const struct cut *c, u64 stream)
{
	rng_init(rng, opt.record.seed, (stream << 32) + c->nr);
}

/* The same image whenever it is called. */
static void build_cut(const struct cut *c)
{
	struct rng rng;

	cut_rng(&rng, c, 2);
	snprintf(run.what, sizeof(run.what), "%s", player_partial(&run.player, &rng));
}

static void check_cut(const struct cut *c, bool exercise)
{
	struct rng rng;

	check_find_chain(&run.check, &run.moment);
	if (c->nr % 4 == 0)
		check_offline(&run.check);
	check_activate(&run.check);
	check_content(&run.check, &run.moment);
	cut_rng(&rng, c, 3);
	if (exercise)
		check_exercise(&run.check, &rng);
	check_deactivate(&run.check);
	if (c->nr % 4 == 1)
		check_offline(&run.check);
}

/* Activate once with all lower writes logged. Returns the snapshot points found. */
static u32 record_recovery(struct lw_log *log, struct loopdev *log_dev, void **map)
{
	struct checker c = run.check;
	struct dmdev *logger;
	char *params;

	loopdev_open(log_dev, 1024 * MIB / SECTOR_SIZE, true);
	params = xasprintf("%s %s", run.img.loop.devno, log_dev->devno);
	logger = dmdev_create("relog", run.trace.layout.sectors, "log-writes", params,
			      false, false);
	if (!logger)
		die("cannot make a dm-log-writes device");
	free(params);
	if (!opt.record.cache)
		blkdev_deny_cache(logger->path);
	check_open(&c, logger->devno);
	check_find_chain(&c, &run.moment);
	check_activate(&c);
	check_deactivate(&c);
	check_close(&c);
	dmdev_remove(logger);
	*map = loopdev_map(log_dev);
	lw_parse(log, *map, 1024 * MIB);
	return c.points;
}

#define RECOVERY_CUTS	4

/* The power is cut again while the chain is being activated. Returns how often. */
static unsigned int cut_recovery(const struct cut *c)
{
	struct loopdev log_dev;
	struct lw_log log;
	struct player again;
	unsigned int n = 0;
	struct rng rng;
	u32 points;
	void *map;
	u64 at, i;

	build_cut(c);
	points = record_recovery(&log, &log_dev, &map);
	image_restore(&run.img);
	run.phase = ", then a cut of its recovery";
	/* The first delta may be active now without a snapshot having been taken. */
	run.check.points_max = points;
	cut_rng(&rng, c, 4);
	for (i = 0; i < RECOVERY_CUTS; i++) {
		at = rng_below(&rng, log.nr + 1);
		player_init(&again, &log, &run.img, opt.record.cache, false, opt.record.seed);
		while (!player_can_cut(&again, at))
			at++;
		build_cut(c);
		player_advance(&again, at);
		snprintf(run.what, sizeof(run.what), "recovery, before %s: %s",
			 at < log.nr ? lw_describe(&log, at) : "its end",
			 player_partial(&again, &rng));
		check_cut(c, i == 0);
		image_restore(&run.img);
		player_free(&again);
		n++;
	}
	run.phase = "";
	run.check.points_max = TRACE_DELTAS_MAX;
	lw_free(&log);
	loopdev_unmap(&log_dev, map);
	loopdev_close(&log_dev);
	return n;
}

static void cut_all(void)
{
	unsigned int recoveries = 0;
	double start = seconds_now();
	u64 i, done = 0;

	for (i = 0; i < run.nr_cuts; i++) {
		const struct cut *c = &run.cut[i];

		if (opt.seconds && seconds_now() - start > opt.seconds)
			break;
		moment_at(c->entry);
		run.player.now = run.moment.now;
		player_advance(&run.player, c->entry);
		if (opt.only && opt.only != c->nr + 1)
			continue;
		run.now = c;
		build_cut(c);
		say("=== cut %llu, entry %llu: %s\n", (unsigned long long)c->nr,
		    (unsigned long long)c->entry, run.what);
		check_cut(c, c->nr % 3 == 0);
		image_restore(&run.img);
		done++;
		if (opt.recovery && c->nr % opt.recovery == 0)
			recoveries += cut_recovery(c);
	}
	printf("redo-crash: seed %llu%s: %llu cut points and %u cuts of a recovery passed, %llu offline checks, in %.0f s\n",
	       (unsigned long long)opt.record.seed, opt.record.cache ? "" : ", no write cache",
	       (unsigned long long)done, recoveries, (unsigned long long)run.check.checked,
	       seconds_now() - start);
}

/* --- beginning and end --- */

static void get_log(void)
{
	if (opt.replay) {
		run.log_bytes = trace_load(&run.trace, opt.replay, &run.log_size);
		opt.record.seed = run.trace.seed;
		opt.record.grain = run.trace.grain;
		opt.record.cache = run.trace.cache;
	} else {
		run.log_bytes = record_run(&run.trace, &opt.record, &run.log_size);
	}
	lw_parse(&run.log, run.log_bytes, run.log_size);
	history_build(&run.history, &run.trace);
	history_check_points(&run.history);
}

/* What was there before the log began. */
static void initial_image(void)
{
	const struct layout *l = &run.trace.layout;
	u8 *base = xmalloc(l->base_sectors << SECTOR_SHIFT);

	stamp_fill(base, run.trace.seed, 1, 0, l->base_sectors);
	image_put(&run.img, l->base, base, l->base_sectors, true);
	free(base);
}

static void set_up_replay(void)
{
	image_open(&run.img, run.trace.layout.sectors);
	initial_image();
	run.fua = xcalloc(run.trace.nr_ops, 1);
	run.moment.fua = run.fua;
	player_init(&run.player, &run.log, &run.img, opt.record.cache, true, opt.record.seed);
	run.player.history = &run.history;
	run.check.trace = &run.trace;
	run.check.history = &run.history;
	run.check.img = &run.img;
	run.check.target = opt.record.target;
	run.check.redosetup = opt.redosetup;
	run.check.points_max = TRACE_DELTAS_MAX;
	check_open(&run.check, run.img.loop.devno);
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	run.phase = "";
	die_context = how_to_repeat;
	dmdev_init();
	if (!dmdev_have_target("log-writes"))
		die("the kernel has no target log-writes");
	if (!dmdev_have_target(opt.record.target))
		die("the kernel has no target %s", opt.record.target);
	get_log();
	set_up_replay();
	choose_cuts();
	cut_all();
	check_close(&run.check);
	image_close(&run.img);
	return 0;
}
