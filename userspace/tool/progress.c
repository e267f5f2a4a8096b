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
	*p = (struct progress){ .what = what, .start = now_s() };
	p->last = p->start;
}

/* ", 120.0 MiB/s, 1:05 left"; "" where nothing is known. */
void progress_pace(double rate, u64 left, char *text, size_t size)
{
	u64 s;

	*text = '\0';
	if (rate < 1)
		return;
	s = (u64)((double)left / rate + 0.5);
	if (s < 3600)
		snprintf(text, size, ", %.1f MiB/s, %llu:%02llu left", rate / (1 << 20),
			 (unsigned long long)s / 60, (unsigned long long)s % 60);
	else
		snprintf(text, size, ", %.1f MiB/s, %llu:%02llu:%02llu left", rate / (1 << 20),
			 (unsigned long long)s / 3600, (unsigned long long)s / 60 % 60,
			 (unsigned long long)s % 60);
}

static void draw_bar(const struct progress *p, int percent, const char *pace)
{
	char bar[BAR_WIDTH + 1];
	int n = percent * BAR_WIDTH / 100;

	memset(bar, '#', n);
	memset(bar + n, '.', BAR_WIDTH - n);
	bar[BAR_WIDTH] = '\0';
	/* The last pace may have been a longer text. */
	fprintf(stderr, "\r%s [%s] %3d%%%s%s", p->what, bar, percent, pace,
		p->each ? "\033[K" : "");
	fflush(stderr);
}

void progress_show(struct progress *p, u64 done, u64 total)
{
	int percent = total ? (int)((double)done / (double)total * 100) : 100;
	double now = now_s(), rate = p->rate;
	char pace[64];

	if (now - p->last < (p->shown ? 0.2 : QUIET_SECONDS))
		return;
	if (!rate)
		rate = (double)done * (double)p->each / (now - p->start);
	progress_pace(rate, (total > done ? total - done : 0) * p->each, pace, sizeof(pace));
	if (!p->each)
		*pace = '\0';
	if (isatty(STDERR_FILENO))
		draw_bar(p, percent, pace);
	else if (!p->shown || percent / 10 > p->percent / 10)
		fprintf(stderr, "%s: %d%%%s\n", p->what, percent, pace);
	p->last = now;
	p->percent = percent;
	p->shown = true;
}

void progress_end(struct progress *p, bool all)
{
	if (p->shown && isatty(STDERR_FILENO)) {
		if (all)
			draw_bar(p, 100, "");
		fputc('\n', stderr);
	}
	p->shown = false;
}
