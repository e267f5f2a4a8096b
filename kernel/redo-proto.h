/* SPDX-License-Identifier: GPL-2.0 OR LGPL-2.1-or-later */
/* Words of the table line, the status and the messages; shared with libredo. */
#ifndef REDO_PROTO_H
#define REDO_PROTO_H

#define REDO_TARGET_NAME	"redo"

/* Feature arguments. */
#define REDO_ARG_CBT			"cbt"
#define REDO_ARG_NO_CBT			"no_cbt"
#define REDO_ARG_ERROR_IF_NO_SPACE	"error_if_no_space"
#define REDO_ARG_NO_SPACE_TIMEOUT	"no_space_timeout"
#define REDO_ARG_LOW_WATER		"low_water"
#define REDO_ARG_IGNORE_DISCARD		"ignore_discard"
#define REDO_ARG_NO_DISCARD_PASSDOWN	"no_discard_passdown"
#define REDO_ARG_FORCE_BASE		"force_base"
#define REDO_ARG_HOLD_MERGE		"hold_merge"

#define REDO_NO_SPACE_TIMEOUT_DEFAULT	60	/* seconds; 0: for ever */
#define REDO_LOW_WATER_DEFAULT		2	/* units */

/*
 * STATUSTYPE_INFO, fixed positions:
 *   <mode> <#deltas> <grain sectors> <units total> <units taken> <grains used>
 *   <metadata blocks used> <dirty metadata blocks> <journal used>/<journal blocks>
 *   <space> <leaves resident> <commits> <checkpoints> <active delta uuid|->
 *   <merge> <kind> <source uuid|-> <target uuid|base|-> <done>/<total grains>
 *   <KiB/s> <throttle> <-|error@sector+sectors>
 *   <tracking> <change id|-> <store blocks used>/<total>
 * or one word, "Fail" or "Error".
 */
#define REDO_STATUS_FAIL	"Fail"
#define REDO_STATUS_ERROR	"Error"
#define REDO_MODE_WRITABLE	"rw"
#define REDO_MODE_READ_ONLY	"ro"		/* after a metadata error */
#define REDO_MODE_VIEW		"view"		/* table loaded read-only */
#define REDO_MODE_PASSTHROUGH	"passthrough"	/* no deltas */
#define REDO_SPACE_OK		"ok"
#define REDO_SPACE_LOW		"low_water"
#define REDO_SPACE_QUEUEING	"out_of_space_queueing"
#define REDO_SPACE_ERRORING	"out_of_space_erroring"

/* The merge, in the status ... */
#define REDO_MERGE_WORD_NONE	"none"
#define REDO_MERGE_WORD_RUNNING	"running"
#define REDO_MERGE_WORD_PAUSED	"paused"
#define REDO_MERGE_WORD_HELD	"held"		/* the table says hold_merge */
#define REDO_MERGE_WORD_FULL	"full"		/* no space in the target */
#define REDO_MERGE_WORD_FAILED	"failed"
#define REDO_MERGE_WORD_DONE	"done"
/* ... and its kind. */
#define REDO_MERGE_KIND_SEALED	"sealed"
#define REDO_MERGE_KIND_ACTIVE	"active"
#define REDO_MERGE_KIND_ALL	"all"
#define REDO_MERGE_BASE_WORD	"base"

/* Changed block tracking, in the status. */
#define REDO_CBT_WORD_OFF	"off"
#define REDO_CBT_WORD_OK	"ok"
#define REDO_CBT_WORD_REBUILDING "rebuilding"	/* after a crash; queries wait */
#define REDO_CBT_WORD_BROKEN	"broken"
#define REDO_CBT_WORD_POINT	"point"		/* a view: the id of what it shows */

/* Messages. */
#define REDO_MSG_MERGE		"merge"
#define REDO_MSG_MERGE_ALL	"merge_all"
#define REDO_MSG_UNSHARED	"unshared"	/* their argument */
#define REDO_MSG_MERGE_PAUSE	"merge_pause"
#define REDO_MSG_MERGE_RESUME	"merge_resume"
#define REDO_MSG_MERGE_THROTTLE	"merge_throttle"
#define REDO_MSG_MIB		"MiB"
#define REDO_MSG_ALLOCATED	"allocated"
#define REDO_CBT_MSG_PREFIX	"cbt_"	/* what these begin with */
#define REDO_MSG_CBT_MARK	"cbt_mark"
#define REDO_MSG_CBT_LIST	"cbt_list"
#define REDO_MSG_CBT_QUERY	"cbt_query"
#define REDO_MSG_CBT_DROP	"cbt_drop"
#define REDO_MSG_NOW		"now"		/* instead of an id */
#define REDO_MSG_END		"end"
#define REDO_MSG_NEXT		"next="

#endif /* REDO_PROTO_H */
