/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two witnesses: the kernel's log, and the clock. */
#ifndef TEST_WATCH_H
#define TEST_WATCH_H

#include "util.h"

/* From here on. */
void log_begin(void);
/* Has the target warned of anything since? Dies if the kernel has found a fault. */
bool log_end(void);
/* Has it said that acknowledged writes could not be committed when a device was closed? */
bool log_lost(void);

/* What follows must end within @seconds, or the program is killed; 0: it has ended. */
void watch(u32 seconds);

#endif /* TEST_WATCH_H */
