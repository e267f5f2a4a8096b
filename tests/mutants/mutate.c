// SPDX-License-Identifier: GPL-2.0
/* The module parameter that names a mutant; see kernel/redo-mutate.h. */
#include <linux/module.h>
#include "redo-mutate.h"

char redo_mutate[32];

module_param_string(mutate, redo_mutate, sizeof(redo_mutate), 0644);
MODULE_PARM_DESC(mutate, "what to break (test builds only)");
