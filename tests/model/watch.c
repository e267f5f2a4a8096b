// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "watch.h"

/* --- the kernel's log --- */

/* More than tests/lib/klog.sh looks for, since the run that caused it is known here. */
static const char * const fatal[] = {
	"BUG:", "WARNING:", "KASAN", "UBSAN", "ODEBUG", "possible circular",
	"possible recursive", "INFO: task", "suspicious RCU", "inconsistent lock",
	"page allocation failure", "beyond end of device",
};

static int kmsg = -1;
static bool said, lost;

void log_begin(void)
{
	if (kmsg < 0)
		kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0)
		die_errno("/dev/kmsg");
	lseek(kmsg, 0, SEEK_END);
	said = lost = false;
}

bool log_end(void)
{
	char text[8192];
	ssize_t n;
	size_t i;

	while ((n = read(kmsg, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		for (i = 0; i < ARRAY_SIZE(fatal); i++)
			if (strstr(text, fatal[i]))
				die("in the kernel log: %s", text);
		/* a record begins with its priority; the target tells of good things, too */
		said |= (atoi(text) & 7) <= 4 && strstr(text, "device-mapper: redo: ");
		lost |= strstr(text, "the last commit before the suspend has failed") != NULL;
	}
	return said;
}

bool log_lost(void)
{
	log_end();
	return lost;
}

/* --- the clock --- */

static u64 deadline;	/* in seconds of seconds_now(); 0: none */

/* The others may be stuck in the kernel, and then exit() would be as well. */
static void *watchdog(void *unused)
{
	u64 end;

	for (;; sleep(1)) {
		end = __atomic_load_n(&deadline, __ATOMIC_SEQ_CST);
		if (!end || seconds_now() < end)
			continue;
		fprintf(stderr, "FAILED: hangs\n");
		if (die_context)
			die_context();
		fflush(stderr);
		kill(getpid(), SIGKILL);
	}
	return NULL;
}

void watch(u32 seconds)
{
	static bool running;
	pthread_t thread;

	if (!running && pthread_create(&thread, NULL, watchdog, NULL))
		die("cannot create a thread");
	running = true;
	__atomic_store_n(&deadline, seconds ? (u64)seconds_now() + seconds : 0, __ATOMIC_SEQ_CST);
}
