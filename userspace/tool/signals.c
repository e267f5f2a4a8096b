// SPDX-License-Identifier: GPL-2.0-or-later
/* Signals that ask to end: whoever has something to put away looks here and does. */
#include <signal.h>
#include "tool.h"

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

/* No SA_RESTART: a write that waits for its reader ends. What is ignored (nohup) stays so. */
void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal }, old;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &sa, NULL);
}

bool interrupted(void)
{
	return caught;
}
