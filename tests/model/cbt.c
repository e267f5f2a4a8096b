// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cbt.h"

#define REBUILD_SECONDS	60

/* Words of the status, from 1 (redo-proto.h). */
enum { STATUS_CBT = 23, STATUS_CBT_ID = 24 };

void cbt_id(char id[CBT_ID_SIZE], const char *uuid, u64 number)
{
	snprintf(id, CBT_ID_SIZE, "%s/%llu", uuid, (unsigned long long)number);
}

/* The answer is the caller's if it is 0. */
static int ask(struct dmdev *d, const char *text, char **answer)
{
	double end = seconds_now() + REBUILD_SECONDS;
	int err;

	for (;;) {
		*answer = dmdev_ask(d, text, &err);
		if (*answer || err != EAGAIN)
			break;
		if (seconds_now() > end)
			die("%s: still being rebuilt after %u s: \"%s\", status %s", d->name,
			    REBUILD_SECONDS, text, dmdev_status(d));
		usleep(3000);
	}
	say("  %s: %s\n", text, *answer ? *answer : strerror(err));
	if (*answer)
		return 0;
	return err ? err : EIO;
}

/* --- marks --- */

int cbt_mark(struct dmdev *d, const char *label, char id[CBT_ID_SIZE])
{
	char *text = xasprintf("cbt_mark%s%s", label ? " " : "", label ? label : ""), *answer;
	int r = ask(d, text, &answer);

	free(text);
	if (r)
		return r;
	if (strlen(answer) >= CBT_ID_SIZE || strlen(answer) < 38 || answer[36] != '/')
		die("cbt_mark: \"%s\" is not an id", answer);
	strcpy(id, answer);
	free(answer);
	return 0;
}

int cbt_drop(struct dmdev *d, const char *id)
{
	char *text = xasprintf("cbt_drop %s", id), *answer;
	int r = ask(d, text, &answer);

	free(text);
	if (!r)
		free(answer);
	return r;
}

/* --- the list --- */

static bool is_header(const char *word)
{
	const char *comma = strchr(word, ',');

	comma = comma ? strchr(comma + 1, ',') : NULL;
	return comma && !strchr(comma + 1, ',');
}

static void parse_header(struct cbt_list *l, const char *word)
{
	unsigned long long current;
	unsigned int block;
	char uuid[40];

	if (sscanf(word, "%36[0-9a-f-],%u,%llu", uuid, &block, &current) != 3 ||
	    strlen(uuid) != 36)
		die("cbt_list begins with \"%s\"", word);
	strcpy(l->uuid, uuid);
	l->block = block;
	l->current = current;
}

static void parse_item(struct cbt_list *l, const char *word)
{
	unsigned long long number, time, first;
	struct cbt_record *r;
	char kind[20];

	if (sscanf(word, "%llu,%llu,%19[a-z],%llu,", &number, &time, kind, &first) != 4 ||
	    first > number || !first)
		die("cbt_list has an item \"%s\"", word);
	if (l->nr && first != l->record[l->nr - 1].number + 1)
		die("cbt_list: \"%s\" does not follow %llu", word,
		    (unsigned long long)l->record[l->nr - 1].number);
	l->record = xrealloc(l->record, (l->nr + 1) * sizeof(*l->record));
	r = &l->record[l->nr++];
	r->first = first;
	r->number = number;
}

/* True: it goes on at *@next. */
static bool parse_list(struct cbt_list *l, char *answer, u64 *next)
{
	char *save = NULL, *word;

	for (word = strtok_r(answer, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (!strcmp(word, "end"))
			return false;
		if (!strncmp(word, "next=", 5)) {
			*next = strtoull(word + 5, NULL, 10);
			return true;
		}
		if (is_header(word))
			parse_header(l, word);
		else
			parse_item(l, word);
	}
	die("cbt_list: the answer has no end");
}

int cbt_list(struct dmdev *d, struct cbt_list *l)
{
	u64 next = 0, last = 0;
	bool more;
	int r;

	memset(l, 0, sizeof(*l));
	do {
		char *text = next ? xasprintf("cbt_list %llu", (unsigned long long)next) :
			     xasprintf("cbt_list"), *answer;

		r = ask(d, text, &answer);
		free(text);
		if (r) {
			cbt_list_free(l);
			return r;
		}
		more = parse_list(l, answer, &next);
		free(answer);
		if (more && next <= last)
			die("cbt_list does not get on at %llu", (unsigned long long)next);
		last = next;
	} while (more);
	if (!l->nr || l->record[l->nr - 1].number != l->current)
		die("cbt_list: the current epoch is %llu and not in it",
		    (unsigned long long)l->current);
	return 0;
}

void cbt_list_free(struct cbt_list *l)
{
	free(l->record);
	l->record = NULL;
}

/* --- lies --- */

static enum cbt_lie lie_kind;
static u32 lie_every, lie_count;

void cbt_lie(enum cbt_lie kind, u32 every)
{
	lie_kind = kind;
	lie_every = every;
}

/* The run of sectors with value @what from @from on; returns its end. */
static u64 run(const u8 *changed, u64 sectors, u64 *from, u8 what)
{
	u64 to;

	while (*from < sectors && changed[*from] != what)
		++*from;
	for (to = *from; to < sectors && changed[to] == what; to++)
		;
	return to;
}

static void falsify(u8 *changed, u64 sectors)
{
	u64 from = 0, to;

	if (!lie_every || ++lie_count % lie_every)
		return;
	switch (lie_kind) {
	case CBT_LIE_NONE:
		break;
	case CBT_LIE_MISS:
		to = run(changed, sectors, &from, 1);
		memset(changed + from, 0, to - from);
		break;
	case CBT_LIE_MORE:
		to = run(changed, sectors, &from, 0);
		memset(changed + from, 1, to - from);
		break;
	case CBT_LIE_EMPTY:
		memset(changed, 0, sectors);
		break;
	}
}

/* --- questions --- */

struct part {
	u64 begin, start, end;	/* of the question; this part is from start on */
	u64 at;			/* where the last item ended */
	u8 *changed;
};

static void take_item(struct part *p, const char *word)
{
	unsigned long long start, sectors;

	if (sscanf(word, "%llu+%llu", &start, &sectors) != 2 || !sectors ||
	    start < p->at || start + sectors > p->end)
		die("cbt_query of %llu to %llu has an item \"%s\" behind %llu",
		    (unsigned long long)p->start, (unsigned long long)p->end, word,
		    (unsigned long long)p->at);
	memset(p->changed + start - p->begin, 1, sectors);
	p->at = start + sectors;
}

/* True: it goes on. */
static bool take_part(struct part *p, char *answer)
{
	char *save = NULL, *word;
	u64 next;

	for (word = strtok_r(answer, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (!strcmp(word, "end"))
			return false;
		if (strncmp(word, "next=", 5)) {
			take_item(p, word);
			continue;
		}
		next = strtoull(word + 5, NULL, 10);
		if (next < p->at || next <= p->start || next > p->end)
			die("cbt_query from %llu goes on at %llu behind an item that ends at %llu",
			    (unsigned long long)p->start, (unsigned long long)next,
			    (unsigned long long)p->at);
		p->start = p->at = next;
		return true;
	}
	die("cbt_query: the answer has no end");
}

int cbt_query(struct dmdev *d, const char *from, const char *to, u64 start, u64 sectors,
	      u8 *changed)
{
	struct part p = { start, start, start + sectors, start, changed };
	bool more;
	int r;

	memset(changed, 0, sectors);
	do {
		char *text = xasprintf("cbt_query %s %s %llu %llu", from, to ? to : "now",
				       (unsigned long long)p.start,
				       (unsigned long long)(p.end - p.start)), *answer;

		r = ask(d, text, &answer);
		free(text);
		if (r)
			return r;
		more = take_part(&p, answer);
		free(answer);
	} while (more);
	falsify(changed, sectors);
	return 0;
}

/* --- the status --- */

static const char *status_word(struct dmdev *d, unsigned int nr, char *copy, size_t size)
{
	char *status = dmdev_status(d), *save = NULL, *w = strtok_r(status, " ", &save);

	while (w && --nr)
		w = strtok_r(NULL, " ", &save);
	snprintf(copy, size, "%s", w ? w : "");
	free(status);
	return copy;
}

const char *cbt_state(struct dmdev *d)
{
	static char copy[32];

	return status_word(d, STATUS_CBT, copy, sizeof(copy));
}

const char *cbt_now(struct dmdev *d)
{
	static char copy[CBT_ID_SIZE];

	return status_word(d, STATUS_CBT_ID, copy, sizeof(copy));
}

void cbt_settled(struct dmdev *d)
{
	double end = seconds_now() + REBUILD_SECONDS;

	while (!strcmp(cbt_state(d), "rebuilding")) {
		if (seconds_now() > end)
			die("%s: still being rebuilt after %u s: %s", d->name, REBUILD_SECONDS,
			    dmdev_status(d));
		usleep(3000);
	}
}
