// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "workload.h"

#define MIB_SECTORS	(MIB / SECTOR_SIZE)

#define MIX_MIXED	{ .write = 62, .flush = 20, .discard = 9, .fua = 20, .hot = 70, .max = 512 }
/* Small and durable at once: the journal goes round. */
#define MIX_DURABLE	{ .write = 85, .flush = 7, .discard = 4, .fua = 85, .hot = 70, .max = 16 }
#define MIX_FSYNC	{ .write = 55, .flush = 40, .discard = 2, .fua = 40, .hot = 50, .max = 64 }
#define MIX_DISCARD	{ .write = 45, .flush = 10, .discard = 35, .fua = 10, .hot = 40, .max = 256 }
/* Many records before the first flush: commits of several blocks. */
#define MIX_BURST	{ .write = 100, .max = 8 }
/* For a disk that may lose its last delta: what a base makes of a discard is its own business. */
#define MIX_ON_BASE	{ .write = 78, .flush = 18, .hot = 60, .max = 256 }
/* Small ones everywhere: many blocks to be marked. */
#define MIX_SCATTERED	{ .write = 80, .flush = 12, .discard = 4, .fua = 30, .hot = 10, .max = 32 }
#define MIX_FILL	{ .write = 80, .flush = 8, .discard = 9, .fua = 10, .hot = 20, .max = 512 }

/* Blocks of a store; every id finds its place there. */
#define STORE_LARGE	400

static const struct workload workloads[] = {
	{
		.name = "mixed", .help = "a bit of everything",
		.steps = "w.ws.ows.ws.ows.w.x.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 100, .storm_ops = 100,
		.journal = 1024, .threads = 6,
	},
	{
		.name = "fsync", .help = "small writes, nearly each of them flushed",
		.steps = "ws.ws.ow.x.",
		.mix = MIX_FSYNC, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 130, .storm_ops = 100,
		.journal = 1024, .threads = 4,
	},
	{
		.name = "discard", .help = "a third of the operations are discards",
		.steps = "w.ws.ws.owx.",
		.mix = MIX_DISCARD, .storm = MIX_DISCARD,
		.sectors = 6 * MIB_SECTORS + 3, .grain = 128, .ops = 250, .storm_ops = 250,
		.journal = 1024, .threads = 6,
	},
	{
		.name = "snapshot", .help = "many snapshots and reverts, few operations between them",
		.steps = "wswswsw.rwswsw.ow.rwsw.xs.",
		.mix = MIX_MIXED, .storm = MIX_FSYNC,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 24, .storm_ops = 40,
		.journal = 1024, .threads = 6,
	},
	{
		.name = "full", .help = "deltas too small for what is written, which grow when all stands still",
		.steps = "w.ws.x.ws.ox.",
		.mix = MIX_FILL, .storm = MIX_FILL,
		.sectors = 20 * MIB_SECTORS, .grain = 1024, .ops = 90, .storm_ops = 120,
		.journal = 1024, .threads = 6, .units = 2,
	},
	{
		.name = "wrap", .help = "a journal of 64 blocks goes round and round",
		.steps = "w.s.ox.s.x.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 40, .storm_ops = 220,
		.journal = 64, .threads = 6,
	},
	{
		.name = "checkpoint", .help = "checkpoints while commits of several blocks come in",
		.steps = "sx.sx.wsx.ox.",
		.mix = MIX_FSYNC, .storm = MIX_BURST,
		.sectors = 16 * MIB_SECTORS, .grain = 8, .ops = 60, .storm_ops = 1100,
		.journal = 64, .threads = 8,
	},
	{
		.name = "clone", .help = "two chains that share sealed deltas, both written to",
		.steps = "ws.wscwwswSw.rwow.x.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 50, .storm_ops = 100,
		.journal = 1024, .threads = 8,
	},
	{
		.name = "merge-sealed", .help = "sealed deltas are merged into their parents",
		.steps = "w.ws.ws.ws.mwM.wsmoxMw.mxM.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 60, .storm_ops = 80,
		.journal = 1024, .threads = 6,
	},
	{
		.name = "merge-base", .help = "the oldest delta is merged into the base, again and again",
		.steps = "ws.ws.ws.bwM.sboxMw.bxM.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 60, .storm_ops = 80,
		.journal = 1024, .threads = 6,
	},
	{
		.name = "merge-active", .help = "the active delta is merged into its parent, under load",
		.steps = "ws.ws.ws.w.awxM.saoxM.sw.axM.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 60, .storm_ops = 80,
		.journal = 1024, .threads = 6,
	},
	{
		.name = "merge-snapshot", .help = "snapshots while deltas are merged, the active one among them",
		.steps = "ws.ws.w.awsw.mws.asx.M.",
		.mix = MIX_MIXED, .storm = MIX_FSYNC,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 40, .storm_ops = 60,
		.journal = 1024, .threads = 6,
	},
	{
		.name = "merge-all", .help = "all deltas are merged into the base, under load",
		.steps = "ws.ws.ws.w.AxM.x.sw.sw.AoxM.sx.axM.",
		.mix = MIX_MIXED, .storm = MIX_ON_BASE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 60, .storm_ops = 80,
		.journal = 1024, .threads = 6,
	},
	{
		.name = "cbt-explicit", .help = "tracking: a bare base, and ids taken on an old delta",
		.steps = "wkwKw.kwkwsw.kwkxdw.okwKx.",
		.mix = MIX_SCATTERED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 50, .storm_ops = 80,
		.journal = 1024, .threads = 6, .block = 8, .store = STORE_LARGE,
	},
	{
		.name = "cbt-implied", .help = "tracking: deltas whose maps say what has changed",
		.steps = "ws.wsw.xsw.osw.swosx.",
		.mix = MIX_SCATTERED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 60, .storm_ops = 80,
		.journal = 1024, .threads = 6, .block = 16, .store = STORE_LARGE,
	},
	{
		.name = "cbt-merge", .help = "tracking: deltas are merged, the active one among them",
		.steps = "ws.wkws.ws.mwkM.swbsM.w.awkxM.sw.axM.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 40, .storm_ops = 60,
		.journal = 1024, .threads = 6, .block = 8, .store = STORE_LARGE,
	},
	{
		.name = "cbt-merge-all", .help = "tracking: all deltas are merged into the base",
		.steps = "ws.ws.wkw.AxkM.xkx.sw.sw.AoxkM.xksx.axM.kx.",
		.mix = MIX_MIXED, .storm = MIX_ON_BASE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 40, .storm_ops = 60,
		.journal = 1024, .threads = 6, .block = 8, .store = STORE_LARGE,
	},
	{
		.name = "cbt-full", .help = "tracking: no space for all epochs, which are joined",
		.steps = "wkwkwKw.kwswkwkwdwkw.skwkswkw.okwkwsx.",
		.mix = MIX_SCATTERED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 24, .storm_ops = 60,
		.journal = 1024, .threads = 6, .block = 8, .store = 3,
	},
	{
		.name = "cbt-revert", .help = "tracking: reverts, of a chain at work and not",
		.steps = "ws.wswkw.rwkw.sw.Rwkw.ow.rws.wRx.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 40, .storm_ops = 60,
		.journal = 1024, .threads = 6, .block = 8, .store = STORE_LARGE,
	},
	{
		.name = "cbt-enable", .help = "tracking begins when there are deltas already",
		.steps = "w.s.w.ewkow.sw.kx.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 50, .storm_ops = 60,
		.journal = 1024, .threads = 6, .block = 8, .store = STORE_LARGE,
	},
	{
		.name = "cbt-enable-now", .help = "tracking begins with a snapshot",
		.steps = "w.s.w.Ewkosw.kx.r.x.",
		.mix = MIX_MIXED, .storm = MIX_DURABLE,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 50, .storm_ops = 60,
		.journal = 1024, .threads = 6, .block = 128, .store = STORE_LARGE,
	},
	{
		.name = "bare", .help = "no delta at all: tests the test",
		.steps = "w.w.w.",
		.mix = MIX_MIXED, .storm = MIX_MIXED,
		.sectors = 4 * MIB_SECTORS, .grain = 8, .ops = 100, .journal = 1024,
		.threads = 6,
	},
};

const struct workload *workload_find(const char *name)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(workloads); i++)
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	return NULL;
}

void workload_list(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(workloads); i++)
		printf("    %-14s %s\n", workloads[i].name, workloads[i].help);
}

u32 workload_deltas(const struct workload *w)
{
	const char *s;
	u32 n = 0;

	for (s = w->steps; *s; s++)
		n += !!strchr("sSrcRE", *s);
	return n;
}

bool workload_store_full(const struct workload *w)
{
	return w->store < STORE_LARGE;
}

bool workload_merges(const struct workload *w)
{
	return strpbrk(w->steps, WORKLOAD_MERGES);
}
