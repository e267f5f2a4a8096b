// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random sequences of writes, snapshots, reverts, clones, merges and the like on chains
 * of redo devices, everything compared with a model in memory after each step.
 * A seed makes the same sequence again.
 */
#include <getopt.h>
#include <string.h>

#include "delta.h"
#include "dmdev.h"
#include "forest.h"
#include "oplog.h"
#include "selftest.h"
#include "steps.h"

static struct {
	u64 seed;
	unsigned int sequences, steps, every, threads, seconds;
	struct forest_options forest;
} opt = {
	.seed = 1, .sequences = 1, .steps = 60, .every = 1, .threads = 8,
	.forest = {
		.sectors = 16 * MIB / SECTOR_SIZE, .grain = 8, .depth_max = 6,
		.nodes_max = 10, .spare = 2, .journal = REDO_JOURNAL_BLOCKS,
		.cache = true, .target = "redo", .ids_max = 8,
	},
};

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "sequences", required_argument, NULL, 'n' },
	{ "steps", required_argument, NULL, 't' },
	{ "every", required_argument, NULL, 'e' },
	{ "grain", required_argument, NULL, 'g' },
	{ "size", required_argument, NULL, 'z' },
	{ "depth-max", required_argument, NULL, 'd' },
	{ "nodes-max", required_argument, NULL, 'o' },
	{ "spare", required_argument, NULL, 'p' },
	{ "journal", required_argument, NULL, 'J' },
	{ "threads", required_argument, NULL, 'j' },
	{ "seconds", required_argument, NULL, 'x' },
	{ "device", required_argument, NULL, 'b' },
	{ "target", required_argument, NULL, 'T' },
	{ "mixed-grains", no_argument, NULL, 'm' },
	{ "no-cache", no_argument, NULL, 'c' },
	{ "quiesced", no_argument, NULL, 'q' },
	{ "cbt", no_argument, NULL, 'B' },
	{ "cbt-block", required_argument, NULL, 'k' },
	{ "ids", required_argument, NULL, 'i' },
	{ "lie", required_argument, NULL, 'l' },
	{ "self-test", no_argument, NULL, 'S' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static const char help_text[] =
"redo-model [options]: random sequences on chains of redo devices against a model\n"
"  --seed N          first seed (1); sequence i has seed N+i\n"
"  --sequences N     how many (1)\n"
"  --steps N         steps of each (60)\n"
"  --every N         compare everything after every Nth step (1)\n"
"  --grain SIZE      of first deltas: 4K to 1M (4K)\n"
"  --size SIZE       of the disk, e.g. 32M+3s (16M)\n"
"  --depth-max N     deltas in a chain (6)\n"
"  --nodes-max N     deltas in the tree (10)\n"
"  --spare N         units that a delta's device has beyond those it must have (2)\n"
"  --journal N       blocks of its journal (1024)\n"
"  --threads N       operations in flight (8)\n"
"  --seconds N       begin no new sequence after that time\n"
"  --device DEV      use DEV and not loops over memory; its content is lost (repeat)\n"
"  --target NAME     no deltas: test the test on dm-linear\n"
"  --mixed-grains    chains of other grain sizes on the same base\n"
"  --no-cache        loops say that they have no write cache\n"
"  --quiesced        nothing in flight while a snapshot is taken\n"
"  --cbt             changed block tracking, of most chains\n"
"  --cbt-block SIZE  of what is tracked, 4K to 1M (drawn for each)\n"
"  --ids N           change ids that are asked for, of each (8)\n"
"  --lie KIND        test the test: falsify every 50th answer: miss, more or empty\n"
"  --self-test       test what answers are compared with, without a device\n"
"  --verbose\n";

static void lie(const char *kind)
{
	cbt_lie(!strcmp(kind, "miss") ? CBT_LIE_MISS : !strcmp(kind, "more") ? CBT_LIE_MORE :
		CBT_LIE_EMPTY, 50);
}

static void parse(int argc, char **argv)
{
	struct forest_options *o = &opt.forest;
	int c;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (c) {
		case 's': opt.seed = parse_number(optarg); break;
		case 'n': opt.sequences = parse_number(optarg); break;
		case 't': opt.steps = parse_number(optarg); break;
		case 'e': opt.every = parse_number(optarg); break;
		case 'g': o->grain = parse_size(optarg); break;
		case 'z': o->sectors = parse_size(optarg); break;
		case 'd': o->depth_max = parse_number(optarg); break;
		case 'o': o->nodes_max = parse_number(optarg); break;
		case 'p': o->spare = parse_number(optarg); break;
		case 'J': o->journal = parse_number(optarg); break;
		case 'j': opt.threads = parse_number(optarg); break;
		case 'x': opt.seconds = parse_number(optarg); break;
		case 'b': lower_give(optarg); break;
		case 'T': o->target = optarg; o->depth_max = 0; break;
		case 'm': o->mixed_grains = true; break;
		case 'c': o->cache = false; break;
		case 'q': o->quiesced = true; break;
		case 'B': o->cbt = true; break;
		case 'k': o->cbt_block = parse_size(optarg); break;
		case 'i': o->ids_max = parse_number(optarg); break;
		case 'l': lie(optarg); break;
		case 'S': self_test(); exit(0);
		case 'v': verbose = true; break;
		case 'h': fputs(help_text, stdout); exit(0);
		default: exit(2);
		}
	}
	if (optind != argc || !o->grain || !o->sectors || !opt.every || o->ids_max < 2)
		exit(2);
}

static u64 seed_now;
static unsigned int step_now;

static void how_to_repeat(void)
{
	const struct forest_options *o = &opt.forest;

	fprintf(stderr,
		"repeat: redo-model --seed %llu --steps %u --every %u --grain %u --size %llus --depth-max %u --nodes-max %u --spare %u --journal %u --threads %u%s%s%s%s",
		(unsigned long long)seed_now, step_now, opt.every,
		o->grain * SECTOR_SIZE, (unsigned long long)o->sectors, o->depth_max,
		o->nodes_max, o->spare, o->journal, opt.threads, o->mixed_grains ? " --mixed-grains" : "",
		o->cache ? "" : " --no-cache", o->quiesced ? " --quiesced" : "",
		o->cbt ? " --cbt" : "");
	if (o->cbt)
		fprintf(stderr, " --cbt-block %u --ids %u", o->cbt_block * SECTOR_SIZE, o->ids_max);
	fprintf(stderr, "\n");
}

static void run_sequence(struct forest *f)
{
	jobs_init(opt.threads, seed_now);
	step_now = 0;
	forest_plant(f, seed_now, &opt.forest);
	forest_verify(f);
	for (step_now = 1; step_now <= opt.steps; step_now++) {
		step_random(f, step_now);
		if (step_now % opt.every == 0 || step_now == opt.steps)
			forest_verify(f);
	}
	forest_fell(f);
}

int main(int argc, char **argv)
{
	double start = seconds_now();
	const char *asked;
	unsigned int i, points = 0;
	unsigned int merges = 0, cuts = 0, pairs = 0, marks = 0;
	u64 compared = 0;

	parse(argc, argv);
	die_context = how_to_repeat;
	dmdev_init();
	if (!dmdev_have_target(opt.forest.target))
		die("the kernel has no target %s", opt.forest.target);
	for (i = 0; i < opt.sequences; i++) {
		struct forest f;

		if (opt.seconds && seconds_now() - start > opt.seconds)
			break;
		seed_now = opt.seed + i;
		run_sequence(&f);
		compared += f.compared;
		points += f.points_compared;
		merges += f.merges;
		cuts += f.cuts;
		pairs += f.pairs;
		marks += f.marks;
	}
	lower_release_all();
	asked = !opt.forest.cbt ? "" :
		xasprintf(" %u change ids and %u questions about them,", marks, pairs);
	printf("redo-model: %u sequences from seed %llu on, %u steps each: %llu MiB compared, %u times a snapshot point, %u deltas merged, %u cuts,%s in %.0f s\n",
	       i, (unsigned long long)opt.seed, opt.steps,
	       (unsigned long long)(compared >> 11), points, merges, cuts, asked,
	       seconds_now() - start);
	return 0;
}
