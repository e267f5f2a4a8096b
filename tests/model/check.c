// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blkio.h"
#include "check.h"
#include "delta.h"
#include "stamp.h"

#define READ_SECTORS	2048
#define SHOWN_MAX	8

/* --- which chain --- */

struct found {
	bool valid;
	struct redo_super sb;
};

static bool nil(const u8 *uuid)
{
	static const u8 zero[REDO_UUID_SIZE];

	return !memcmp(uuid, zero, REDO_UUID_SIZE);
}

static int by_uuid(const struct found *f, u32 n, const u8 *uuid)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (f[i].valid && !memcmp(f[i].sb.uuid, uuid, REDO_UUID_SIZE))
			return i;
	return -1;
}

static bool parent_sealed(const struct found *f, u32 n, const struct redo_super *sb)
{
	int p;

	if (nil(sb->parent_uuid))
		return true;
	p = by_uuid(f, n, sb->parent_uuid);
	return p >= 0 && f[p].sb.state == REDO_STATE_SEALED;
}

/*
 * The active delta of the highest chain_seq; where there is none, the new one on
 * a sealed parent: the power was cut in the middle of a snapshot.
 */
static int find_top(const struct checker *c, const struct found *f, u32 n)
{
	int active = TRACE_BASE, born = TRACE_BASE;
	u32 i;

	for (i = 0; i < n; i++) {
		const struct redo_super *sb = &f[i].sb;

		if (!f[i].valid || c->trace->delta[i].chain != c->chain)
			continue;
		if (sb->state == REDO_STATE_ACTIVE &&
		    (active < 0 || sb->chain_seq > f[active].sb.chain_seq))
			active = i;
		if (sb->state == REDO_STATE_NEW && parent_sealed(f, n, sb) &&
		    (born < 0 || sb->chain_seq > f[born].sb.chain_seq))
			born = i;
	}
	return active >= 0 ? active : born;
}

/* Where deltas are merged: the last that counts, or counted once. */
static int find_last(const struct checker *c, const struct found *f, u32 n)
{
	int last = TRACE_BASE;
	u32 i;

	for (i = 0; i < n; i++)
		if (f[i].valid && c->trace->delta[i].chain == c->chain &&
		    (f[i].sb.state != REDO_STATE_NEW || parent_sealed(f, n, &f[i].sb)))
			last = i;
	return last;
}

/* All that have been made up to @top: the target leaves out those that are gone. */
static void follow_trace(struct checker *c, int top)
{
	u32 i;
	int d;

	for (d = top; d >= 0; d = c->trace->delta[d].parent)
		c->depth++;
	for (i = c->depth, d = top; d >= 0; d = c->trace->delta[d].parent)
		c->path[--i] = d;
}

static void print_found(const struct found *f, u32 n)
{
	static const char * const states[] = { "?", "new", "active", "sealed", "retired" };
	u32 i;

	for (i = 0; i < n; i++)
		if (f[i].valid)
			fprintf(stderr, "  delta %u: %s, generation %llu, chain_seq %llu, replay from %llu\n",
				i, states[f[i].sb.state % ARRAY_SIZE(states)],
				(unsigned long long)f[i].sb.generation,
				(unsigned long long)f[i].sb.chain_seq,
				(unsigned long long)f[i].sb.replay_seq);
		else
			fprintf(stderr, "  delta %u: no valid superblock\n", i);
}

/* What is below, as the superblocks tell it; it has to be what was made. */
static void follow_parents(struct checker *c, const struct found *f, u32 n, int top)
{
	u32 reversed[TRACE_DELTAS_MAX], len = 0, i;
	int at = top;

	while (at >= 0 && len < n) {
		reversed[len++] = at;
		at = nil(f[at].sb.parent_uuid) ? TRACE_BASE : by_uuid(f, n, f[at].sb.parent_uuid);
		if (at == c->trace->delta[reversed[len - 1]].parent)
			continue;
		print_found(f, n);
		die("the parent of delta %u is not there", reversed[len - 1]);
	}
	for (i = 0; i < len; i++)
		c->path[i] = reversed[len - 1 - i];
	c->depth = len;
}

static void read_supers(const struct checker *c, struct found *f)
{
	const struct layout *l = &c->trace->layout;
	u32 i;

	for (i = 0; i < l->nr_deltas; i++)
		f[i].valid = delta_super(image_at(c->img, layout_delta(l, i)), &f[i].sb);
}

static u32 count_left(const struct checker *c, const struct found *f)
{
	u32 n = 0, i;

	for (i = 0; i < c->depth; i++)
		n += f[c->path[i]].sb.merge_state != REDO_MERGE_GONE;
	return n;
}

bool check_find_chain(struct checker *c, u32 chain, const struct moment *m)
{
	u32 n = c->trace->layout.nr_deltas, rank;
	struct found f[TRACE_DELTAS_MAX];

	read_supers(c, f);
	c->chain = chain;
	c->depth = 0;
	c->top = c->merges ? find_last(c, f, n) : find_top(c, f, n);
	if (c->top >= 0 && c->merges)
		follow_trace(c, c->top);
	else if (c->top >= 0)
		follow_parents(c, f, n, c->top);
	rank = c->top >= 0 ? trace_rank(c->trace, c->top) : 0;
	if (rank < m->rank_min[chain] || rank > m->rank_max[chain]) {
		print_found(f, n);
		die("chain %u has had %u deltas, expected %u to %u", chain, rank,
		    m->rank_min[chain], m->rank_max[chain]);
	}
	/*
	 * Nothing seals a base: a first delta that is still new is used, but the
	 * base may have been written to since it was formatted. So may one that is the first
	 * again, since all before it have been merged.
	 */
	c->known_top = c->top;
	if (c->top >= 0 && count_left(c, f) == 1 && (c->base_open || f[c->top].sb.state == REDO_STATE_NEW))
		c->known_top = TRACE_BASE;
	return !chain || rank;
}

/* --- redosetup --- */

/* @n deltas of the line, from @first on. */
static void run_check(struct checker *c, u32 first, u32 n)
{
	char *argv[TRACE_DELTAS_MAX + 3] = { "redosetup", "check" };
	int status;
	pid_t pid;
	u32 i;

	for (i = 0; i < n; i++)
		argv[2 + i] = c->stack.delta[c->path[first + i]]->path;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (!verbose && !freopen("/dev/null", "w", stdout))
			_exit(126);
		execv(c->redosetup, argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die_errno("running %s", c->redosetup);
	if (status)
		die("redosetup check of %u deltas from %s on: status 0x%x", n, argv[2], status);
	c->checked++;
}

/*
 * One run for all: starting a program is what costs. What has been merged, or is being, is no
 * chain in the sense of that check: each by itself.
 */
void check_offline(struct checker *c)
{
	u32 i;

	if (!c->redosetup || !c->depth)
		return;
	if (!c->merges)
		run_check(c, 0, c->depth);
	for (i = 0; c->merges && i < c->depth; i++)
		run_check(c, i, 1);
}

/* --- devices --- */

void check_open(struct checker *c, const char *devno, const struct checker *sibling)
{
	c->owns_stack = !sibling;
	if (sibling)
		c->stack = sibling->stack;
	else
		stack_build(&c->stack, &c->trace->layout, devno);
	c->content = xcalloc(c->trace->layout.base_sectors, sizeof(u64));
	c->checked = 0;
}

void check_close(struct checker *c)
{
	if (c->owns_stack)
		stack_remove(&c->stack);
	free(c->content);
}

/* Those of the path up to @depth that have not been merged. */
static u32 left_over(struct checker *c, u32 depth, u32 *left)
{
	struct found f[TRACE_DELTAS_MAX];
	u32 n = 0, i;

	read_supers(c, f);
	for (i = 0; i < depth; i++)
		if (f[c->path[i]].sb.merge_state != REDO_MERGE_GONE)
			left[n++] = c->path[i];
	return n;
}

static struct dmdev *chain_device(struct checker *c, const char *name, u32 depth,
				  bool read_only)
{
	u32 left[TRACE_DELTAS_MAX], n = left_over(c, depth, left);
	/* A view shows what is left; who activates names all that there were. */
	char *line = read_only ? stack_table(&c->stack, left, n) :
		     c->chain ? stack_table(&c->stack, c->path, depth) :
		     stack_tracked(&c->stack, c->path, depth);
	struct dmdev *d = dmdev_create(name, c->trace->layout.base_sectors, c->target,
				       line, read_only, false);

	if (!d)
		die("%s: the kernel refused \"%s\"", name, line);
	free(line);
	return d;
}

void check_activate(struct checker *c)
{
	c->live = chain_device(c, c->chain ? "clone" : "live", c->depth, false);
	c->fd = blk_open(c->live->path, true);
}

void check_deactivate(struct checker *c)
{
	close(c->fd);
	dmdev_remove(c->live);
}

/* --- content --- */

static void compare(struct checker *c, int fd, const char *what, bool keep,
		    allowed_fn allowed, void *data)
{
	u64 n = c->trace->layout.base_sectors, at, i, len, bad = 0, expected;
	u8 *buf = xmalloc_io(READ_SECTORS << SECTOR_SHIFT);
	struct stamp s;

	for (at = 0; at < n; at += len) {
		len = min_u64(READ_SECTORS, n - at);
		if (blk_read(fd, buf, at, len))
			die("%s: cannot read %llu+%llu", what, (unsigned long long)at,
			    (unsigned long long)len);
		for (i = 0; i < len; i++) {
			const u8 *p = buf + (i << SECTOR_SHIFT);
			bool good = stamp_read(p, c->trace->seed, at + i, &s) <= STAMP_GOOD;

			expected = ~0ULL;
			if (allowed(c, at + i, good ? s.gen : ~0ULL, &expected, data)) {
				if (keep)
					c->content[at + i] = s.gen;
				continue;
			}
			if (bad++ >= SHOWN_MAX)
				continue;
			fprintf(stderr, "%s: sector %llu: expected generation %llu or later, found %s\n",
				what, (unsigned long long)(at + i), (unsigned long long)expected,
				stamp_describe(p, c->trace->seed, at + i));
			if (bad == 1)
				history_print(c->history, at + i);
		}
	}
	free(buf);
	if (bad)
		die("%s: %llu wrong sectors", what, (unsigned long long)bad);
}

bool check_by_history(struct checker *c, u64 sector, u64 gen, u64 *expected, void *data)
{
	return history_may_hold(c->history, data, sector, gen, c->known_top, expected);
}

static bool point_allowed(struct checker *c, u64 sector, u64 gen, u64 *expected, void *data)
{
	const struct trace_delta *d = data;

	*expected = d->content[sector];
	return gen == d->content[sector];
}

static bool same_allowed(struct checker *c, u64 sector, u64 gen, u64 *expected, void *data)
{
	*expected = c->content[sector];
	return gen == c->content[sector];
}

/*
 * Has a merge taken the point below the delta at @depth of the path? The line of it shows
 * another one then, or is refused (or, of the bare base, nobody knows).
 */
static bool point_is_lost(struct checker *c, u32 depth)
{
	struct found f[TRACE_DELTAS_MAX];

	read_supers(c, f);
	return f[c->path[depth]].sb.merge_state == REDO_MERGE_GONE;
}

void check_wait_merge(struct checker *c)
{
	double since = seconds_now();
	char *status;
	bool over;

	if (!c->merges)
		return;
	do {
		status = dmdev_status(c->live);
		over = strstr(status, " none - ") || strstr(status, " done ");
		if (!over && (strstr(status, " failed ") || seconds_now() - since > 120))
			die("the merge does not end: %s", status);
		free(status);
		if (!over)
			usleep(5000);
	} while (!over);
}

/* The view of the point below the delta at @depth of the path. */
static void check_point(struct checker *c, u32 depth)
{
	struct dmdev *view;
	char *what;
	int fd;

	if (c->merges && point_is_lost(c, depth))
		return;
	view = chain_device(c, "view", depth, true);
	what = xasprintf("snapshot point %u", c->path[depth]);
	fd = blk_open(view->path, false);

	compare(c, fd, what, false, point_allowed,
		(void *)&c->trace->delta[c->path[depth]]);
	close(fd);
	dmdev_remove(view);
	free(what);
}

void check_points(struct checker *c)
{
	u32 n = c->known_top == TRACE_BASE ? 0 : c->depth, some, i;

	if (!n)
		return;
	some = rng_below(&c->rng, n);
	for (i = 0; i < n; i++)
		if (c->all_points || i == n - 1 || i == some)
			check_point(c, i);
}

void check_live(struct checker *c, const char *what, allowed_fn allowed, void *data)
{
	compare(c, c->fd, what, true, allowed, data);
}

void check_again(struct checker *c, const char *what)
{
	compare(c, c->fd, what, false, same_allowed, NULL);
}

u64 check_new_gen(void)
{
	static u64 gen = 1ULL << 32;

	return gen++;
}

static void exercise_write(struct checker *c, struct rng *rng, void *buf)
{
	u64 size = c->trace->layout.base_sectors, i;
	u64 sectors = min_u64(size, 1ULL << rng_below(rng, 10));
	u64 sector = rng_below(rng, size - sectors + 1), gen = check_new_gen();

	stamp_fill(buf, c->trace->seed, gen, sector, sectors);
	if (blk_write(c->fd, buf, sector, sectors, rng_percent(rng, 10)))
		die("writing to the recovered chain at %llu", (unsigned long long)sector);
	for (i = 0; i < sectors; i++)
		c->content[sector + i] = gen;
}

void check_exercise(struct checker *c, struct rng *rng, bool alone)
{
	void *buf = xmalloc_io(512 << SECTOR_SHIFT);
	u64 n;

	for (n = rng_between(rng, 10, 60); n; n--)
		exercise_write(c, rng, buf);
	free(buf);
	if (blk_flush(c->fd))
		die("flushing the recovered chain");
	check_again(c, "live, used after the recovery");
	check_deactivate(c);
	if (alone)
		check_offline(c);
	check_activate(c);
	check_again(c, "live, used and activated again");
	check_points(c);
}
