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

#include "afterlife.h"
#include "cuts.h"
#include "player.h"
#include "promises.h"
#include "record.h"
#include "stamp.h"

#define RECOVERY_CUTS	4	/* of one recovery */
#define RECORDING	3	/* exit status when the recording failed already */

static struct {
	struct record_options record;
	struct cuts_options cuts;
	u64 only;		/* one cut, + 1 */
	unsigned int recovery;	/* every nth cut is followed by cuts of its recovery */
	unsigned int whole;	/* every nth cut all points are compared, and offline checks made */
	unsigned int seconds;
	const char *replay, *save, *redosetup;
} opt = {
	.record = { .seed = 1, .cache = true, .target = "redo" },
	.recovery = 10,
	.whole = 4,
};

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "workload", required_argument, NULL, 'w' },
	{ "cuts", required_argument, NULL, 'n' },
	{ "random", required_argument, NULL, 'a' },
	{ "cut", required_argument, NULL, 'c' },
	{ "recovery", required_argument, NULL, 'y' },
	{ "whole", required_argument, NULL, 'W' },
	{ "threads", required_argument, NULL, 'j' },
	{ "ops", required_argument, NULL, 'o' },
	{ "storm", required_argument, NULL, 'm' },
	{ "journal", required_argument, NULL, 'J' },
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
"redo-crash [options]: power cuts on chains of redo devices\n"
"  --seed N        (1)\n"
"  --workload NAME what is recorded (mixed):\n";

static const char help_more[] =
"  --cuts N        at most so many cut points (every flush and FUA write)\n"
"  --random N      without --cuts: so many more, anywhere in the log\n"
"  --cut N         only this one\n"
"  --recovery N    also cut the recovery after every Nth cut; 0: never (10)\n"
"  --whole N       at every Nth cut compare all snapshot points and check offline (4)\n"
"  --threads N, --ops N, --storm N, --journal N, --grain SIZE, --size SIZE\n"
"                  others than the workload's: its threads, operations of its two\n"
"                  kinds of steps, blocks of the journal, grain, size of the disk\n"
"  --seconds N     stop after that time\n"
"  --no-cache      lower device without a write cache: all that completed is durable\n"
"  --save DIR      where the recorded run is kept if a cut fails\n"
"  --replay DIR    cut a recorded run again instead of recording one\n"
"  --redosetup P   program that checks the deltas offline\n"
"  --target linear with the workload bare: test the test\n"
"  --verbose\n"
"Exit status: 0, all is well; 1: a cut failed; 2: usage; 3: the recording failed.\n";

static void help(void)
{
	fputs(help_text, stdout);
	workload_list();
	fputs(help_more, stdout);
	exit(0);
}

static void parse_option(int c)
{
	struct record_options *o = &opt.record;

	switch (c) {
	case 's': o->seed = parse_number(optarg); break;
	case 'w': o->workload = workload_find(optarg); break;
	case 'n': opt.cuts.max = parse_number(optarg); break;
	case 'a': opt.cuts.random = parse_number(optarg); break;
	case 'c': opt.only = parse_number(optarg) + 1; break;
	case 'y': opt.recovery = parse_number(optarg); break;
	case 'W': opt.whole = parse_number(optarg); break;
	case 'j': o->threads = parse_number(optarg); break;
	case 'o': o->ops = parse_number(optarg); break;
	case 'm': o->storm = parse_number(optarg); break;
	case 'J': o->journal = parse_number(optarg); break;
	case 'g': o->grain = parse_size(optarg); break;
	case 'z': o->sectors = parse_size(optarg); break;
	case 'x': opt.seconds = parse_number(optarg); break;
	case 'C': o->cache = false; break;
	case 'r': opt.replay = optarg; break;
	case 'S': opt.save = optarg; break;
	case 'R': opt.redosetup = optarg; break;
	case 'T': o->target = optarg; break;
	case 'v': verbose = true; break;
	case 'h': help(); break;
	default: exit(2);
	}
}

/* What was not given is as the workload has it. */
static void fill_in(struct record_options *o)
{
	const struct workload *w = o->workload;

	o->sectors = o->sectors ?: w->sectors;
	o->grain = o->grain ?: w->grain;
	o->threads = o->threads ?: w->threads;
	o->ops = o->ops ?: w->ops;
	o->storm = o->storm ?: w->storm_ops;
	o->journal = o->journal ?: w->journal;
}

static void parse(int argc, char **argv)
{
	struct record_options *o = &opt.record;
	int c;

	o->workload = workload_find("mixed");
	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		parse_option(c);
	if (optind != argc || !o->workload || !opt.whole)
		exit(2);
	fill_in(o);
	if (o->threads >= MAIL_SECTORS)
		exit(2);
}

/* --- the run --- */

static struct run {
	struct trace trace;
	void *log_bytes;
	u64 log_size;
	struct lw_log log;
	struct history history;
	struct image img;
	struct checker check[TRACE_CHAINS];
	struct player player;
	struct cuts cuts;

	struct moment moment;
	u8 *fua;
	u64 answers;		/* of the tracking */
	u64 mail_seen;		/* entries whose mail is in moment */
	u64 *clock;		/* [entry]: when what is logged there was complete, at the latest */

	/* for messages */
	const struct cut *now;
	char what[200];
	const char *phase;
} run;

static void say_moment(void)
{
	const struct moment *m = &run.moment;
	u32 i;

	for (i = 0; i < TRACE_CHAINS; i++)
		fprintf(stderr, "  chain %u: clock: flushed %llu, now %lld; deltas so far %u to %u\n",
			i, (unsigned long long)m->flushed[i], (long long)m->now,
			m->rank_min[i], m->rank_max[i]);
}

/* The cuts of a run are drawn in the same way with the same options. */
static void say_cuts(void)
{
	fprintf(stderr, " --workload %s --seed %llu --cuts %llu --random %llu --cut %llu --recovery %u --whole %u",
		opt.record.workload->name, (unsigned long long)opt.record.seed, (unsigned long long)opt.cuts.max,
		(unsigned long long)opt.cuts.random, (unsigned long long)run.now->nr,
		opt.recovery, opt.whole);
}

static void how_to_repeat(void)
{
	const struct record_options *o = &opt.record;

	if (!run.now) {
		fprintf(stderr, "while recording; workload %s, seed %llu\n", o->workload->name,
			(unsigned long long)o->seed);
		fflush(stderr);
		exit(RECORDING);
	}
	fprintf(stderr, "workload %s, seed %llu, at cut %llu%s: before %s\n",
		o->workload->name, (unsigned long long)o->seed,
		(unsigned long long)run.now->nr, run.phase,
		run.now->entry < run.log.nr ?
		lw_describe(&run.log, run.now->entry) : "the log's end");
	fprintf(stderr, "  %s\n", run.what);
	say_moment();
	if (opt.save && !opt.replay) {
		trace_save(&run.trace, opt.save, run.log_bytes, run.log_size);
		fprintf(stderr, "repeat exactly: redo-crash --replay %s", opt.save);
		say_cuts();
		fprintf(stderr, "\n");
	}
	fprintf(stderr, "record and cut again: redo-crash");
	say_cuts();
	fprintf(stderr, " --threads %u --ops %u --storm %u --journal %u --grain %u --size %llus%s\n",
		o->threads, o->ops, o->storm, o->journal, o->grain * SECTOR_SIZE,
		(unsigned long long)o->sectors, o->cache ? "" : " --no-cache");
}

/* --- marks --- */

static bool is_mail(const struct lw_entry *e)
{
	return e->data && trace_is_mail(&run.trace, e->sector);
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
		m->flushed[ev->chain] = max_u64(m->flushed[ev->chain], ev->arg);
		break;
	case TRACE_FUA:
		run.fua[ev->arg] = 1;
		break;
	case TRACE_ID:
		m->id_known[ev->arg] = 1;
		break;
	case TRACE_DROP:
		m->id_known[ev->arg] = 0;
		break;
	case TRACE_TOP:
		m->rank_min[ev->chain] = max_u64(m->rank_min[ev->chain],
						 trace_rank(&run.trace, ev->arg));
		break;
	}
}

/* The first mark at or after an entry was complete then: nothing newer can be in the image. */
static u64 *clocks(void)
{
	u64 *clock = xcalloc(run.log.nr + 1, sizeof(*clock)), i = run.log.nr;

	clock[i] = TRACE_NEVER;
	while (i--)
		clock[i] = is_mail(&run.log.entry[i]) ?
			   mail_event(&run.log.entry[i])->marked : clock[i + 1];
	return clock;
}

static void moment_at(u64 entry)
{
	struct moment *m = &run.moment;
	u32 i;

	for (; run.mail_seen < entry; run.mail_seen++)
		if (is_mail(&run.log.entry[run.mail_seen]))
			see_event(mail_event(&run.log.entry[run.mail_seen]));
	m->now = run.clock[entry];
	memset(m->rank_max, 0, sizeof(m->rank_max));
	for (i = 0; i < run.trace.nr_deltas; i++)
		if (run.trace.delta[i].begin <= m->now)
			m->rank_max[run.trace.delta[i].chain] = trace_rank(&run.trace, i);
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

/* False: there is no such chain. */
static bool find(const struct cut *c, u32 nr)
{
	struct checker *k = &run.check[nr];

	k->all_points = c->nr % opt.whole == 0;
	cut_rng(&k->rng, c, 8 + nr);
	if (!check_find_chain(k, nr, &run.moment))
		return false;
	if (c->nr % (2 * opt.whole) == 0)
		check_offline(k);
	return true;
}

/* What it has seen last is what the device holds. */
static void check_tracking(u32 nr, const struct afterlife *life)
{
	if (!nr)
		run.answers += promises_check(&run.check[0], &run.moment, life,
					      workload_store_full(opt.record.workload));
}

/*
 * Activate chain @nr and compare it. @life: what it has lived through since the
 * cut; NULL: nothing.
 */
static void bring_up(u32 nr, struct afterlife *life)
{
	struct checker *k = &run.check[nr];

	check_activate(k);
	if (life)
		check_live(k, "live, after a second life", check_by_afterlife, life);
	else
		check_live(k, nr ? "clone" : "live", check_by_history, &run.moment);
	if (k->merges) {
		check_tracking(nr, life);
		check_wait_merge(k);
		check_again(k, "live, after its merge has ended");
	}
	check_tracking(nr, life);
	check_points(k);
}

/* Both are up together: sealed deltas that they share have one object. */
static void check_cut(const struct cut *c, bool exercise, struct afterlife *life)
{
	struct checker *k = run.check;
	struct rng rng;
	bool clone;

	find(c, 0);
	clone = find(c, 1);
	bring_up(0, life);
	if (clone)
		bring_up(1, NULL);
	cut_rng(&rng, c, 3);
	if (exercise) {
		check_exercise(&k[0], &rng, !clone);
		check_tracking(0, life);
	}
	if (exercise && clone)
		check_again(&k[1], "clone, after its sibling has been used");
	check_deactivate(&k[0]);
	if (clone)
		check_deactivate(&k[1]);
	if (c->nr % (2 * opt.whole) == opt.whole)
		check_offline(&k[clone]);
}

static void cut_again(const struct cut *c, struct afterlife *life, struct rng *rng, bool exercise)
{
	u64 at = rng_below(rng, life->log.nr + 1);
	struct player again;

	player_init(&again, &life->log, &run.img, opt.record.cache, false, opt.record.seed);
	while (rng_percent(rng, 50) && !player_can_cut(&again, at))
		at++;
	build_cut(c);
	player_advance(&again, at);
	afterlife_moment(life, &run.trace, at);
	snprintf(run.what, sizeof(run.what), "recovery and what followed, before %s: %s",
		 at < life->log.nr ? lw_describe(&life->log, at) : "its end",
		 player_partial(&again, rng));
	check_cut(c, exercise, life);
	image_restore(&run.img);
	player_free(&again);
}

/*
 * The power is cut again while the chain is being activated, or is in use again.
 * Returns how often.
 */
static unsigned int cut_recovery(const struct cut *c)
{
	struct afterlife life;
	struct rng rng;
	u32 i;

	build_cut(c);
	cut_rng(&rng, c, 4);
	run.phase = ", while it is recovered and used";
	afterlife_record(&life, &run.check[0], &run.moment, opt.record.cache, &rng);
	image_restore(&run.img);
	run.phase = ", then a cut of its recovery";
	/* The first delta may be active now without a snapshot having been taken. */
	run.check[0].base_open = life.base_open;
	for (i = 0; i < RECOVERY_CUTS; i++)
		cut_again(c, &life, &rng, i == 0);
	run.phase = "";
	run.check[0].base_open = false;
	afterlife_free(&life);
	return i;
}

static void report(u64 done, u64 recoveries, double seconds)
{
	printf("redo-crash: workload %s, seed %llu%s: %llu cut points and %llu cuts of a recovery passed, %llu offline checks, %llu answers about changes, in %.0f s\n",
	       opt.record.workload->name, (unsigned long long)opt.record.seed,
	       opt.record.cache ? "" : ", no write cache", (unsigned long long)done,
	       (unsigned long long)recoveries,
	       (unsigned long long)(run.check[0].checked + run.check[1].checked),
	       (unsigned long long)run.answers, seconds);
}

static void cut_all(void)
{
	double start = seconds_now();
	u64 i, done = 0, recoveries = 0;

	for (i = 0; i < run.cuts.nr; i++) {
		const struct cut *c = &run.cuts.cut[i];

		if (opt.seconds && seconds_now() - start > opt.seconds)
			break;
		moment_at(c->entry);
		player_advance(&run.player, c->entry);
		if (opt.only && opt.only != c->nr + 1)
			continue;
		run.now = c;
		build_cut(c);
		say("=== cut %llu, entry %llu: %s\n", (unsigned long long)c->nr,
		    (unsigned long long)c->entry, run.what);
		check_cut(c, c->nr % 3 == 0, NULL);
		image_restore(&run.img);
		done++;
		if (opt.recovery && (c->deep || c->nr % opt.recovery == 0))
			recoveries += cut_recovery(c);
	}
	report(done, recoveries, seconds_now() - start);
}

/* --- beginning and end --- */

static void get_log(void)
{
	double start = seconds_now();

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
	printf("redo-crash: workload %s, seed %llu%s: %llu operations, %u deltas, %llu log entries, recorded in %.0f s\n",
	       opt.record.workload->name, (unsigned long long)opt.record.seed,
	       opt.record.cache ? "" : ", no write cache",
	       (unsigned long long)run.trace.nr_ops, run.trace.nr_deltas,
	       (unsigned long long)run.log.nr, seconds_now() - start);
	fflush(stdout);
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
	u32 i;

	image_open(&run.img, run.trace.layout.sectors);
	initial_image();
	run.fua = xcalloc(run.trace.nr_ops, 1);
	run.moment.fua = run.fua;
	player_init(&run.player, &run.log, &run.img, opt.record.cache, true, opt.record.seed);
	run.player.history = &run.history;
	run.clock = clocks();
	run.player.clock = run.clock;
	for (i = 0; i < TRACE_CHAINS; i++) {
		struct checker *k = &run.check[i];

		k->trace = &run.trace;
		k->history = &run.history;
		k->img = &run.img;
		k->target = opt.record.target;
		k->redosetup = opt.redosetup;
		k->merges = workload_merges(opt.record.workload);
		check_open(k, run.img.loop.devno, i ? &run.check[0] : NULL);
	}
}

static void choose_cuts(void)
{
	opt.cuts.seed = opt.record.seed;
	cuts_choose(&run.cuts, &run.trace, &run.player, &opt.cuts);
	printf("redo-crash: %llu flushes and FUA writes to cut at, %llu cut points\n",
	       (unsigned long long)run.cuts.places, (unsigned long long)run.cuts.nr);
	fflush(stdout);
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
	cuts_free(&run.cuts);
	check_close(&run.check[1]);
	check_close(&run.check[0]);
	image_close(&run.img);
	return 0;
}
