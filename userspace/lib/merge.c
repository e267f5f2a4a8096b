// SPDX-License-Identifier: LGPL-2.1-or-later
/* Messages that begin, hold and steer a merge of a live chain. */
#include <ctype.h>
#include <stdlib.h>
#include "redo-int.h"

#define REDO_THROTTLE_MIB_MAX	(1UL << 20)

static int send(const char *chain, const char *msg)
{
	char *answer;
	int r = redo_dm_message(chain, msg, &answer);

	free(answer);
	return r;
}

int redo_chain_merge(const char *chain, const char *uuid, bool unshared)
{
	char msg[64 + REDO_UUID_STR_SIZE];

	snprintf(msg, sizeof(msg), "%s%s%s%s%s", uuid ? REDO_MSG_MERGE : REDO_MSG_MERGE_ALL,
		 uuid ? " " : "", uuid ? uuid : "", unshared ? " " : "",
		 unshared ? REDO_MSG_UNSHARED : "");
	return send(chain, msg);
}

int redo_chain_merge_pause(const char *chain)
{
	return send(chain, REDO_MSG_MERGE_PAUSE);
}

int redo_chain_merge_resume(const char *chain)
{
	return send(chain, REDO_MSG_MERGE_RESUME);
}

int redo_throttle_parse(const char *text, unsigned int *value, bool *mib)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoul(text, &end, 10);
	*mib = !strcmp(end, REDO_MSG_MIB);
	if (errno || !n || n > (*mib ? REDO_THROTTLE_MIB_MAX : 100) ||
	    (!*mib && *end && strcmp(end, "%")))
		return -EINVAL;
	*value = (unsigned int)n;
	return 0;
}

int redo_chain_merge_throttle(const char *chain, const char *throttle)
{
	unsigned int value;
	char msg[64];
	bool mib;

	if (redo_throttle_parse(throttle, &value, &mib))
		return redo_err(EINVAL, "%s: neither a percentage from 1 to 100 nor <n>" REDO_MSG_MIB,
				throttle);
	snprintf(msg, sizeof(msg), "%s %u%s", REDO_MSG_MERGE_THROTTLE, value,
		 mib ? REDO_MSG_MIB : "");
	return send(chain, msg);
}
