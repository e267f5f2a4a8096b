/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mutants: deliberate breakages of an order or of a check that something durable
 * rests on. The power-cut test has to catch each of them, or it proves nothing
 * about the right code; `make check-mutants` sees to that. They exist only in a
 * module built with REDO_MUTATE=1 (see Kbuild), where the module parameter
 * "mutate" names the one that is alive. Everywhere else redo_mutant() is the
 * constant false and leaves no trace.
 *
 * tests/mutants/list says what each of them breaks.
 */
#ifndef REDO_MUTATE_H
#define REDO_MUTATE_H

#include <linux/string.h>

struct redo_chain;
struct redo_change;
struct redo_delta;
struct redo_io;

#ifdef REDO_MUTATE

extern char redo_mutate[32];

static inline bool redo_mutant_is(const char *name)
{
	return !strcmp(redo_mutate, name);
}

/* record_before_*: the change of a first write has left the io for the list already. */
static inline bool redo_mutant_recorded(const struct redo_change *change)
{
	return !change;
}

#else

static inline bool redo_mutant_is(const char *name)
{
	return false;
}

static inline bool redo_mutant_recorded(const struct redo_change *change)
{
	return false;
}

#endif

/* Is the mutant of that name alive? */
#define redo_mutant(name) redo_mutant_is(#name)
/* @flag, but not in that mutant. */
#define redo_unless(name, flag) (redo_mutant(name) ? 0 : (flag))

/* grain_reused_early: @phys may be handed out again at once. */
void redo_mutant_reuse(struct redo_delta *d, u64 phys);
/* record_before_*: list the change of a first write that has not been made yet. */
void redo_mutant_record_now(struct redo_chain *c, struct redo_io *io);

#endif /* REDO_MUTATE_H */
