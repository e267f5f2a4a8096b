// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <unistd.h>

#include "delta.h"
#include "merges.h"
#include "oplog.h"
#include "tracking.h"

#define END_SECONDS	120
#define ERROR_BUSY	"16@"

/* Words of the status, from 1 (redo-proto.h). */
enum { STATUS_MERGE = 15, STATUS_KIND = 16, STATUS_ERROR = 22 };

/* --- what is known of a merge --- */

static struct node *base_of(struct node *n)
{
	while (n->parent)
		n = n->parent;
	return n;
}

static struct node *target_of(const struct chain *c)
{
	return c->all ? base_of(c->source) : c->source->parent;
}

/* The first delta on the base, below or at @n. */
static struct node *bottom_of(struct node *n)
{
	while (n->parent->parent)
		n = n->parent;
	return n;
}

static bool takes_part(const struct chain *c, const struct node *n)
{
	return c->source && node_in_line(target_of(c), n);
}

bool merges_allow(struct forest *f, const struct node *n)
{
	unsigned int i;

	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].dm && takes_part(&f->chain[i], n))
			return false;
	return true;
}

bool merges_allow_branch(struct forest *f, const struct node *n)
{
	unsigned int i;

	for (i = 0; i < FOREST_CHAINS; i++)
		if (takes_part(&f->chain[i], n))
			return false;
	return true;
}

bool merge_may_end_on_base(const struct chain *c)
{
	return c->source && c->source == c->top && (c->all || !c->top->parent->parent);
}

void merge_adopt(struct forest *f, struct chain *c)
{
	unsigned int i;

	for (i = 0; i < FOREST_CHAINS; i++) {
		struct chain *o = &f->chain[i];

		if (o == c || o->dm || !o->source || !node_in_line(o->source, c->top))
			continue;
		c->source = o->source;
		c->all = o->all;
		o->source = NULL;
	}
}

/* The points that a merge changes: with all, those in between as well. */
static void set_lost(const struct chain *c, bool lost)
{
	struct node *n, *target = target_of(c);

	for (n = c->source->parent; n; n = n->parent) {
		n->lost = lost;
		if (n == target)
			break;
	}
}

/* --- what the kernel says --- */

/* Word @nr of the status is @text, or begins with it. */
static bool status_word(struct chain *c, unsigned int nr, const char *text)
{
	char *status = dmdev_status(c->dm), *word, *rest = status;
	bool is = false;

	while ((word = strsep(&rest, " ")))
		if (!--nr)
			is = !strncmp(word, text, strlen(text));
	free(status);
	return is;
}

static bool state_is(struct chain *c, const char *word)
{
	return status_word(c, STATUS_MERGE, word);
}

static char *send(struct chain *c, const char *text)
{
	char *answer;

	say("message %s: %s\n", c->name, text);
	answer = dmdev_message(c->dm, text);
	say("    %s\n", answer ? answer : "refused");
	return answer;
}

static void must_answer(struct chain *c, const char *text)
{
	char *answer = send(c, text);

	if (!answer)
		die("%s: \"%s\" was refused in %s: %s", c->name, text, oplog_where(),
		    dmdev_status(c->dm));
	free(answer);
}

static struct redo_super super_of(const struct node *n)
{
	struct redo_super sb;

	if (!delta_read_super(n->dev->fd, &sb))
		die("delta %u has no superblock in %s", n->nr, oplog_where());
	return sb;
}

static bool is_gone(const struct node *n)
{
	struct redo_super sb = super_of(n);

	return sb.state == REDO_STATE_RETIRED && sb.merge_state == REDO_MERGE_GONE;
}

/* Do the disks say that it has begun? */
static bool is_marked(const struct chain *c)
{
	struct node *target = target_of(c);
	struct redo_super sb = super_of(target->parent ? target : bottom_of(c->source));

	return sb.merge_state != REDO_MERGE_NONE;
}

/* --- the end --- */

/*
 * What lay on @n lies on its parent from now on, which holds what @n did. Its memory and
 * its device are the caller's, by ->next.
 */
static void fold(struct forest *f, struct node *n, struct node **folded)
{
	struct node *p = n->parent, *child, **at;
	unsigned int i;

	for (child = f->nodes; child; child = child->next)
		if (child->parent == n)
			child->parent = p;
	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].top == n)
			f->chain[i].top = p;
	for (i = 0; i < FOREST_VIEWS; i++)
		if (f->view[i].node == n)
			f->view[i].node = p;
	p->users += n->users - 1;
	free(p->content);
	free(p->maybe);
	p->content = n->content;
	p->maybe = n->maybe;
	p->lost = n->lost;
	tracking_fold(p, n);
	for (at = &f->nodes; *at != n; at = &(*at)->next)
		;
	*at = n->next;
	f->nr_nodes--;
	n->next = *folded;
	*folded = n;
	f->merges++;
}

/* Those that have gone: with all, first everything below the source at once. */
static void fold_gone(struct forest *f, struct chain *c, struct node **folded)
{
	struct node *source = c->source;

	if (c->all && bottom_of(source) != source && is_gone(bottom_of(source)))
		while (bottom_of(source) != source)
			fold(f, bottom_of(source), folded);
	if (!is_gone(source))
		return;
	fold(f, source, folded);
	c->source = NULL;
}

static void free_folded(struct node *folded)
{
	struct node *n;

	while ((n = folded)) {
		folded = n->next;
		lower_put(n->dev);
		free(n);
	}
}

static void load_shortened(struct forest *f, struct chain *c)
{
	char *line = chain_table(c, c->top);

	if (rng_percent(&f->rng, 30))
		content_verify(f, c->fd, c->content, "before the table is shortened");
	if (!dmdev_load(c->dm, f->opt.sectors, f->opt.target, line, false))
		die("%s: after a merge the kernel refused \"%s\" in %s", c->name, line,
		    oplog_where());
	free(line);
	dmdev_suspend(c->dm, rng_percent(&f->rng, 25));
	dmdev_resume(c->dm);
}

/* Of an active chain. It may have found a view in the way; nothing else may stop it. */
static bool is_at_work(struct chain *c)
{
	if (state_is(c, "failed") && !status_word(c, STATUS_ERROR, ERROR_BUSY))
		die("%s: the merge has failed in %s: %s", c->name, oplog_where(),
		    dmdev_status(c->dm));
	return !state_is(c, "done") && !state_is(c, "none");
}

bool merge_look(struct forest *f, struct chain *c)
{
	struct node *folded = NULL;

	if (!c->source)
		return true;
	if (c->dm && is_at_work(c))
		return false;
	fold_gone(f, c, &folded);
	if (c->source && is_marked(c)) {
		if (c->dm)
			die("%s: a merge is over, but not on the disks, in %s", c->name,
			    oplog_where());
	} else if (c->source) {	/* it had not begun when the chain went down */
		set_lost(c, false);
		c->source = NULL;
	}
	if (c->dm && folded)
		load_shortened(f, c);
	free_folded(folded);
	return !c->source;
}

/* Views that were open when the chain came up: the merge waits for them. */
static void close_views(struct forest *f, const struct chain *c)
{
	unsigned int i;

	for (i = 0; i < FOREST_VIEWS; i++)
		if (f->view[i].node && takes_part(c, f->view[i].node))
			view_close(f, &f->view[i]);
}

void merge_finish(struct forest *f, struct chain *c)
{
	double end = seconds_now() + END_SECONDS;

	close_views(f, c);
	must_answer(c, "merge_throttle 100");
	if (state_is(c, "paused") || state_is(c, "failed"))
		must_answer(c, "merge_resume");
	while (!merge_look(f, c)) {
		if (seconds_now() > end)
			die("%s: the merge does not end in %s: %s", c->name, oplog_where(),
			    dmdev_status(c->dm));
		usleep(2000);
	}
}

/* --- the beginning --- */

static unsigned int children(struct forest *f, const struct node *n)
{
	unsigned int count = 0;
	struct node *child;

	for (child = f->nodes; child; child = child->next)
		count += child->parent == n;
	return count;
}

/* Nothing but what is in one line depends on @n and on what it lies on. */
static bool can_go(struct forest *f, const struct node *n)
{
	return children(f, n) <= 1 && children(f, n->parent) == 1;
}

static struct node *choose_source(struct forest *f, struct chain *c, bool *all)
{
	struct node *n, *found = NULL;
	unsigned int count = 0;

	*all = true;
	for (n = c->top; n->parent; n = n->parent) {
		if (!can_go(f, n))
			*all = false;
		else if (!rng_below(&f->rng, ++count))
			found = n;
	}
	*all = *all && rng_percent(&f->rng, 25);
	return *all ? c->top : found;
}

static bool is_in_the_way(struct forest *f, const struct chain *c, const struct node *target)
{
	unsigned int i;

	for (i = 0; i < FOREST_VIEWS; i++)
		if (f->view[i].node && node_in_line(target, f->view[i].node))
			return true;
	for (i = 0; i < FOREST_CHAINS; i++)
		if (&f->chain[i] != c && f->chain[i].dm && node_in_line(target, f->chain[i].top))
			return true;
	return false;
}

static void set_pace(struct forest *f, struct chain *c)
{
	static const char * const pace[] = { "100", "50", "10", "1", "1MiB", "3MiB", "20MiB" };
	char *text = xasprintf("merge_throttle %s", pace[rng_below(&f->rng, ARRAY_SIZE(pace))]);

	must_answer(c, text);
	free(text);
}

static char *request(const struct node *source, bool all)
{
	struct redo_super sb;
	char uuid[37], *at = uuid;
	unsigned int i;

	if (all)
		return xasprintf("merge_all unshared");
	sb = super_of(source);
	for (i = 0; i < REDO_UUID_SIZE; i++)
		at += sprintf(at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			      sb.uuid[i]);
	return xasprintf("merge %s unshared", uuid);
}

bool merge_begin(struct forest *f, struct chain *c)
{
	bool all, blocked;
	struct node *source = choose_source(f, c, &all);
	char *text, *answer;

	if (!source)
		return false;
	blocked = is_in_the_way(f, c, all ? base_of(source) : source->parent);
	set_pace(f, c);
	text = request(source, all);
	answer = send(c, text);
	if (!answer != blocked)
		die("%s: \"%s\" was %s in %s", c->name, text, answer ? "accepted" : "refused",
		    oplog_where());
	if (answer) {
		c->source = source;
		c->all = all;
		set_lost(c, true);
	}
	free(answer);
	free(text);
	return true;
}

/* Refused if it is over. */
static void may_answer(struct chain *c, const char *text)
{
	char *answer = send(c, text);

	if (!answer && !state_is(c, "done") && !state_is(c, "failed") && !state_is(c, "none"))
		die("%s: \"%s\" was refused in %s: %s", c->name, text, oplog_where(),
		    dmdev_status(c->dm));
	free(answer);
}

void merge_disturb(struct forest *f, struct chain *c)
{
	char *text;

	switch (rng_below(&f->rng, 4)) {
	case 0:
		may_answer(c, "merge_pause");
		break;
	case 1:
		if (state_is(c, "paused"))
			must_answer(c, "merge_resume");
		break;
	case 2:
		set_pace(f, c);
		break;
	case 3:
		/*
		 * Of all, when it is over and there is a new one on top, it would be another
		 * one; and found again, its second step is one of a single delta.
		 */
		if (state_is(c, "done") ||
		    (c->all && (c->source != c->top || !status_word(c, STATUS_KIND, "all"))))
			break;
		text = request(c->source, c->all);
		may_answer(c, text);
		free(text);
		break;
	}
}

bool merge_refuses_revert(struct forest *f, struct chain *c)
{
	char *answer = send(c, "merge_pause"), *line;
	bool accepted;

	if (!answer)
		return false;
	free(answer);
	line = chain_table(c, base_of(c->top));
	accepted = dmdev_load(c->dm, f->opt.sectors, f->opt.target, line, true);
	free(line);
	/* A batch that was under way at the pause may have been the last. */
	if (!state_is(c, "paused")) {
		merge_finish(f, c);
		return true;
	}
	if (accepted)
		die("%s: a revert to the base was accepted while a merge is paused, in %s",
		    c->name, oplog_where());
	must_answer(c, "merge_resume");
	return true;
}
