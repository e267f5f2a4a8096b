/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table line:
 *   <base dev> <#deltas> [<delta dev>]* [<#feature args> [<arg>]*]
 * Parsing only; no device is opened. Also compiled into KUnit.
 */
#ifndef REDO_ARGS_H
#define REDO_ARGS_H

#include <linux/device-mapper.h>
#include "redo-chain.h"

struct redo_args {
	char *base;			/* these point into argv */
	u32 nr_deltas;
	char **delta;
	char *cbt;			/* device of the tracking store, or NULL */
	struct redo_features features;
	u32 nr_features;		/* words, as given */
	char **feature;
};

/* Longest message of redo_args_parse(). */
#define REDO_ARGS_ERROR_SIZE	128

/*
 * 0, or -EINVAL with *@error set to why, in @buf (REDO_ARGS_ERROR_SIZE) if it
 * names an argument. Process context.
 */
int redo_args_parse(struct redo_args *a, unsigned int argc, char **argv,
		    char *buf, char **error);

#endif /* REDO_ARGS_H */
