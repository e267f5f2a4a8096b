// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "oplog.h"

struct op {
	unsigned int step;
	char chain[16];
	struct job job;
};

static struct op *ops;
static u64 nr_ops, room;
static unsigned int step_now;
static const char *step_name = "start";

void oplog_reset(void)
{
	nr_ops = 2;
	step_now = 0;
	step_name = "start";
}

void oplog_step(unsigned int step, const char *name)
{
	step_now = step;
	step_name = name;
}

u64 oplog_add(const char *chain, const struct job *j)
{
	if (nr_ops >= room) {
		room = room ? 2 * room : 1024;
		ops = xrealloc(ops, room * sizeof(*ops));
	}
	ops[nr_ops].step = step_now;
	snprintf(ops[nr_ops].chain, sizeof(ops[nr_ops].chain), "%s", chain);
	ops[nr_ops].job = *j;
	return nr_ops++;
}

static void op_text(char text[160], u64 gen)
{
	const struct op *op = &ops[gen];

	snprintf(text, 160, "generation %llu: step %u, %s of %s %llu+%llu",
		 (unsigned long long)gen, op->step, job_name(&op->job), op->chain,
		 (unsigned long long)op->job.sector, (unsigned long long)op->job.sectors);
}

const char *oplog_describe(u64 gen)
{
	static char text[160];

	if (gen == 0)
		return "zeroes";
	if (gen == 1)
		return "generation 1: the base before the test";
	if (gen >= nr_ops)
		return "a generation of the future";
	op_text(text, gen);
	return text;
}

void oplog_print_history(u64 sector, unsigned int max)
{
	char text[160];
	u64 gen;

	for (gen = nr_ops; gen > 2 && max; gen--) {
		const struct job *j = &ops[gen - 1].job;

		if (sector < j->sector || sector - j->sector >= j->sectors)
			continue;
		op_text(text, gen - 1);
		fprintf(stderr, "    %s\n", text);
		max--;
	}
}

const char *oplog_where(void)
{
	static char text[80];

	snprintf(text, sizeof(text), "step %u (%s)", step_now, step_name);
	return text;
}
