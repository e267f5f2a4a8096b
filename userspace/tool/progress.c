// SPDX-License-Identifier: GPL-2.0-or-later
/* Progress of what takes long: a bar on a terminal, a line for every tenth otherwise. */
#include <time.h>
#include <unistd.h>
#include "tool.h"

#define BAR_WIDTH	40
#define QUIET_SECONDS	1.0	/* what is done by then shows nothing */

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void progress_start(struct progress *p, const char *what)
{
	*p = (struct progress){ .what = what, .last = now_s() };
}

static void draw_bar(const struct progress *p, int percent)
{
	char bar[BAR_WIDTH + 1];
	int n = percent * BAR_WIDTH / 100;

	memset(bar, '#', n);
	memset(bar + n, '.', BAR_WIDTH - n);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r%s [%s] %3d%%", p->what, bar, percent);
	fflush(stderr);
}

void progress_show(struct progress *p, u64 done, u64 total)
{
	int percent = total ? (int)((double)done / (double)total * 100) : 100;
	double now = now_s();

	if (now - p->last < (p->shown ? 0.2 : QUIET_SECONDS))
		return;
	if (isatty(STDERR_FILENO))
		draw_bar(p, percent);
	else if (!p->shown || percent / 10 > p->percent / 10)
		fprintf(stderr, "%s: %d%%\n", p->what, percent);
	p->last = now;
	p->percent = percent;
	p->shown = true;
}

void progress_end(struct progress *p)
{
	if (p->shown && isatty(STDERR_FILENO)) {
		draw_bar(p, 100);
		fputc('\n', stderr);
	}
	p->shown = false;
}
