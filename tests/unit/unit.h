/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all unit tests include, in the order that cmocka wants. */
#ifndef UNIT_H
#define UNIT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "redo-int.h"

#endif /* UNIT_H */
