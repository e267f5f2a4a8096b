// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * redosetup: chains of redo-log deltas under device-mapper. This file: the table
 * of commands, options, dispatch. What is not ours is dmsetup's.
 */
#include <getopt.h>
#include <stdarg.h>
#include <sys/types.h>
#include <unistd.h>
#include "tool.h"

struct opts opts = { .units = 'h', .quiesce = "auto" };
static const char *verb = "";

/* Commands ------------------------------------------------------------------- */

#define COMMON	"hvny"
#define SCAN	"Di"
#define REPORT	"RUoOSN"

const struct command commands[] = {
	{ "init", cmd_init, 2, 2, "<chain> <base>", COMMON "wCQ",
	  "put a base device under a chain's name" },
	{ "format", cmd_format, 1, 1, "<delta>", COMMON "gPBcstf",
	  "write an empty delta to a device or file" },
	{ "activate", cmd_activate, 0, -1, "<chain>...|--all", COMMON SCAN "aeBfw",
	  "find chains on the disks and bring them up" },
	{ "deactivate", cmd_deactivate, 0, -1, "<chain>...|--all", COMMON SCAN "aG",
	  "take chains down" },
	{ "snapshot", cmd_snapshot, 1, -1, "<chain>@<snap>...", COMMON SCAN "dgztqCQ",
	  "make a snapshot point of one or more chains (a --delta for each) at the same moment" },
	{ "revert", cmd_revert, 1, 1, "<chain>@<snap>", COMMON SCAN "dzx",
	  "drop the present state and go on from a snapshot" },
	{ "delete", cmd_delete, 1, 1, "<chain>@<snap>|--all <chain>", COMMON "iabkWx",
	  "delete a snapshot, or all: merge what lies on it into what is below" },
	{ "consolidate", cmd_consolidate, 1, 1, "<chain>", COMMON "ibpukWxf",
	  "finish merges that were begun, and drop deltas of no further use" },
	{ "view", cmd_view, 1, 1, "<chain>@<snap>", COMMON SCAN "mrBf",
	  "show a snapshot as a read-only device" },
	{ "clone", cmd_clone, 2, 2, "<chain>@<snap> <new chain>", COMMON SCAN "dztFTBfwb",
	  "start a new chain from a snapshot" },
	{ "list", cmd_list, 0, -1, "[<chain>...]", COMMON SCAN REPORT "l",
	  "list chains, or with --deltas all deltas" },
	{ "tree", cmd_tree, 0, -1, "[<chain>...]", COMMON SCAN "R",
	  "draw the tree of snapshots" },
	{ "show", cmd_show, 1, 1, "<chain>|<chain>@<snap>|<device>", COMMON SCAN REPORT,
	  "all that is known of one thing" },
	{ "check", cmd_check, 1, -1, "<delta>...|<chain>", COMMON SCAN "fRb",
	  "verify every checksum and reference of deltas (devices or files) not in use" },
	{ "dump", cmd_dump, 1, 1, "<delta>", COMMON "RLJ",
	  "print the metadata of a delta (a device or file)" },
	{ "backup", cmd_backup, 1, 1, "<chain>@<snap>", COMMON SCAN "EKBfj",
	  "write a snapshot, or what has changed in it since another, as a stream" },
	{ "restore", cmd_restore, 1, -1, "<device>|<file> [<stream>...]", COMMON "EVf",
	  "make a disk of a full backup and its increments" },
	{ "cbt enable", cmd_cbt_enable, 1, 1, "<chain>", COMMON SCAN "ZQz",
	  "track which blocks of a live chain change" },
	{ "cbt disable", cmd_cbt_disable, 1, 1, "<chain>", COMMON SCAN "X",
	  "stop tracking its changes; its change ids are void" },
	{ "cbt mark", cmd_cbt_mark, 1, 1, "<chain>", COMMON SCAN "Aj",
	  "begin a new epoch and print its change id" },
	{ "cbt list", cmd_cbt_list, 1, 1, "<chain>", COMMON SCAN REPORT "j",
	  "list the change ids that can be asked about" },
	{ "cbt query", cmd_cbt_query, 1, 1, "<chain>", COMMON SCAN REPORT "EIMHj",
	  "what has changed since a change id, or most often" },
	{ "cbt export", cmd_cbt_export, 2, 2, "<chain> <file>|-", COMMON SCAN "EIj",
	  "write what has changed as a bitmap with a header" },
	{ "cbt drop", cmd_cbt_drop, 2, -1, "<chain> <change id>...", COMMON SCAN "j",
	  "let go of change ids that nobody will ask about" },
	{ "grow", cmd_grow, 1, 2, "<chain> [+<units>]", COMMON SCAN "z",
	  "extend the device of a chain's active delta" },
};

const int nr_commands = ARRAY_SIZE(commands);

/* Options -------------------------------------------------------------------- */

struct option_def {
	char letter;		/* as in struct command's options */
	const char *name;
	bool short_too;		/* the letter itself works as well */
	const char *arg;	/* in brackets: --name=<arg> or --name alone */
	const char *help;
};

static const struct option_def option_defs[] = {
	{ 'y', "yes", true, NULL, "do not ask" },
	{ 'n', "dry-run", true, NULL, "say what would be done and do nothing" },
	{ 'v', "verbose", true, NULL, "say what is done" },
	{ 'h', "help", true, NULL, "this help" },
	{ 'o', "options", true, "<field>[,...]", "fields of the report; +<field> adds; help lists them" },
	{ 'O', "sort", true, "<field>[,...]", "sort by these; -<field> in descending order" },
	{ 'S', "select", true, "<selection>", "only rows that match" },
	{ 'R', "reportformat", false, "basic|json", "format of what is printed" },
	{ 'U', "units", false, "<unit>", "h, b, s, k, m, g, t, p, e; capitals count in thousands" },
	{ 'N', "noheadings", false, NULL, "no line of headings" },
	{ 'g', "grain", false, "<size>", "grain size, 4k to 1m (default 4k)" },
	{ 'P', "parent", false, "<delta>", "the delta below" },
	{ 'B', "base", false, "<device>", "the base device" },
	{ 'c', "chain", false, "<name>", "chain's name for the label" },
	{ 's', "snapshot", false, "<name>", "snapshot's name for the label" },
	{ 't', "description", false, "<text>", "description of the snapshot" },
	{ 'd', "delta", false, "<device>", "device for the new delta" },
	{ 'z', "size", false, "<size>", "size of the device that is made (default: 1g for a delta, by the disk for a store); grow: the new size" },
	{ 'q', "quiesce", false, "auto|none", "auto: freeze mounted filesystems; none: do not" },
	{ 'f', "force", false, NULL, "go on where it would be refused; see the man page" },
	{ 'D', "device", false, "<device>", "look at this device only (repeatable)" },
	{ 'i', "scan-dir", false, "<directory>", "look at files there too (repeatable)" },
	{ 'm', "name", false, "<name>", "name of the view's device" },
	{ 'r', "remove", false, NULL, "remove the view's device" },
	{ 'F', "full", false, NULL, "copy the content" },
	{ 'T', "to", false, "<device>", "device that the content is copied to" },
	{ 'a', "all", false, NULL, "all chains; delete: all snapshots of the chain" },
	{ 'w', "feature", false, "<word>[=<value>]", "feature of the table line, kept (repeatable; none clears them)" },
	{ 'G', "forget", false, NULL, "take a chain without deltas down and forget it" },
	{ 'e', "readonly", false, NULL, "bring up read-only; nothing is written" },
	{ 'l', "deltas", false, NULL, "list deltas" },
	{ 'L', "leaf", false, NULL, "print the map's entries too" },
	{ 'J', "journal", false, NULL, "print the journal's records too" },
	{ 'b', "background", false, NULL, "go on in the background; the system log has the rest" },
	{ 'p', "pause", false, NULL, "pause the merge at work" },
	{ 'u', "resume", false, NULL, "let a merge go on that is paused, held or has failed" },
	{ 'k', "throttle", false, "<percent>|<n>MiB", "merge that much of the time, or a second, only" },
	{ 'W', "wipe", false, "[discard|zeroes|secure]", "overwrite what is released (default zeroes)" },
	{ 'E', "since", false, "<id>|<chain>@<snap>", "what has changed since that change id or snapshot; restore: the id of what the target holds" },
	{ 'K', "output", false, "<file>|-", "where the backup goes (default: standard output)" },
	{ 'V', "verify", false, NULL, "compare the target with the backup; write nothing" },
	{ 'x', "remove-delta", false, NULL, "remove the device of the delta that was dropped" },
	{ 'C', "cbt", false, "<device>", "track changes from now on, with the store there (snapshot: one for each chain)" },
	{ 'Z', "store", false, "<device>", "the device for the tracking store" },
	{ 'Q', "block-size", false, "<size>", "what a bit stands for, 4k to 1m (default 64k)" },
	{ 'X', "remove-store", false, NULL, "remove the device of the tracking store" },
	{ 'A', "label", false, "<text>", "label of the mark" },
	{ 'I', "until", false, "<id>|<chain>@<snap>|now", "what had changed until then (default: now)" },
	{ 'M', "bitmap", false, NULL, "write the bitmap as it is to standard output" },
	{ 'H', "frequent", false, NULL, "in how many epochs each range has changed, the most first" },
	{ 'j', "timeout", false, "<seconds>", "how long to wait for a rebuild after a crash (default 60)" },
};

static int add_to(const char **list, int *nr, const char *value)
{
	if (*nr == MAX_LIST)
		return -E2BIG;
	list[(*nr)++] = value;
	return 0;
}

static int set_option(char letter, const char *arg)
{
	switch (letter) {
	case 'y': opts.yes = true; return 0;
	case 'n': opts.dry_run = redo_dry_run = true; return 0;
	case 'v': opts.verbose = true; return 0;
	case 'o': opts.fields = arg; return 0;
	case 'O': opts.sort = arg; return 0;
	case 'S': opts.select = arg; return 0;
	case 'R':
		opts.json = !strcmp(arg, "json");
		return opts.json || !strcmp(arg, "basic") ? 0 : -EINVAL;
	case 'U': return valid_unit(arg, &opts.units) ? 0 : -EINVAL;
	case 'N': opts.noheadings = true; return 0;
	case 'g': opts.grain = arg; return 0;
	case 'P': opts.parent = arg; return 0;
	case 'B': opts.base = arg; return 0;
	case 'c': opts.chain = arg; return 0;
	case 's': opts.snapshot = arg; return 0;
	case 't': opts.description = arg; return strlen(arg) < REDO_TEXT_SIZE ? 0 : -EINVAL;
	case 'd': return add_to(opts.delta, &opts.nr_delta, arg);
	case 'z': opts.size = arg; return 0;
	case 'q':
		opts.quiesce = arg;
		return !strcmp(arg, "auto") || !strcmp(arg, "none") ? 0 : -EINVAL;
	case 'f': opts.force = true; return 0;
	case 'D': return add_to(opts.device, &opts.nr_device, arg);
	case 'i': return add_to(opts.dir, &opts.nr_dir, arg);
	case 'm': opts.name = arg; return 0;
	case 'r': opts.remove = true; return 0;
	case 'F': opts.full = true; return 0;
	case 'T': opts.to = arg; return 0;
	case 'a': opts.all = true; return 0;
	case 'w': return add_to(opts.feature, &opts.nr_feature, arg);
	case 'G': opts.forget = true; return 0;
	case 'e': opts.readonly = true; return 0;
	case 'l': opts.deltas = true; return 0;
	case 'L': opts.leaf = true; return 0;
	case 'J': opts.journal = true; return 0;
	case 'b': opts.background = true; return 0;
	case 'p': opts.pause = true; return 0;
	case 'u': opts.resume = true; return 0;
	case 'k': opts.throttle = arg; return 0;
	case 'W': opts.wipe = arg ? arg : "zeroes"; return 0;
	case 'E': opts.since = arg; return 0;
	case 'K': opts.output = arg; return 0;
	case 'V': opts.verify = true; return 0;
	case 'x': opts.remove_delta = true; return 0;
	case 'C': return add_to(opts.cbt, &opts.nr_cbt, arg);
	case 'Z': opts.store = arg; return 0;
	case 'Q': opts.block_size = arg; return 0;
	case 'X': opts.remove_store = true; return 0;
	case 'A': opts.label = arg; return 0;
	case 'I': opts.until = arg; return 0;
	case 'M': opts.bitmap = true; return 0;
	case 'H': opts.frequent = true; return 0;
	case 'j': opts.timeout = arg; return strspn(arg, "0123456789") == strlen(arg) && *arg ? 0 : -EINVAL;
	}
	return -EINVAL;
}

/* Messages ------------------------------------------------------------------- */

int usage_error(const struct command *c, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "redosetup %s: ", c->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see redosetup %s -h\n", c->name);
	return RESULT_USAGE;
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void verbose(const char *fmt, ...)
{
	va_list ap;

	if (!opts.verbose)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void print_step(const char *text)
{
	if (opts.dry_run)
		say("would %s", text);
	else
		verbose("%s", text);
}

int confirm(const char *fmt, ...)
{
	char question[1024], answer[16];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(question, sizeof(question), fmt, ap);
	va_end(ap);
	if (opts.yes || opts.dry_run)
		return 0;
	if (!isatty(STDIN_FILENO))
		return redo_err(ECANCELED, "%s; -y goes on", question);
	fprintf(stderr, "%s. Go on? [y/n] ", question);
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	return redo_err(ECANCELED, "%s: not done", question);
}

/* '\0': it has none. No command has both --output and --options: each may be -o. */
static char short_of(const struct option_def *o)
{
	if (o->letter == 'K')
		return 'o';
	return o->short_too ? o->letter : '\0';
}

static bool optional(const struct option_def *o)
{
	return o->arg && o->arg[0] == '[';
}

static void print_command_help(const struct command *c)
{
	printf("Usage: redosetup %s [options] %s\n\n%s\n\nOptions:\n", c->name, c->args, c->help);
	for (size_t i = 0; i < ARRAY_SIZE(option_defs); i++) {
		const struct option_def *o = &option_defs[i];
		char left[64], dash[8] = "    ";

		if (!strchr(c->options, o->letter))
			continue;
		if (short_of(o))
			snprintf(dash, sizeof(dash), "-%c, ", short_of(o));
		if (optional(o))
			snprintf(left, sizeof(left), "%s--%s[=%s", dash, o->name, o->arg + 1);
		else
			snprintf(left, sizeof(left), "%s--%s%s%s", dash, o->name, o->arg ? " " : "",
				 o->arg ? o->arg : "");
		printf("  %-36s %s\n", left, o->help);
	}
}

static void print_command_line(FILE *f, const struct command *c)
{
	fprintf(f, "  %-11s %-32s %s\n", c->name, c->args, c->help);
}

static void print_usage(FILE *f)
{
	fprintf(f, "Usage: redosetup <command> [options] [arguments]\n\nCommands:\n");
	for (int i = 0; i < nr_commands; i++)
		print_command_line(f, &commands[i]);
	fprintf(f, "\n'redosetup <command> -h' lists a command's options, 'redosetup --version' tells\n"
		"which version this is.\n"
		"Any command of dmsetup(8) works as there: create, remove, suspend, resume,\n"
		"load, table, status, info, ls, message, ...\n");
}

/* dmsetup -------------------------------------------------------------------- */

static const char *const dmsetup_verbs[] = {
	"help", "create", "remove", "remove_all", "suspend", "resume", "load", "clear", "reload",
	"wipe_table", "rename", "message", "ls", "info", "deps", "stats", "status", "table",
	"wait", "mknodes", "mangle", "udevcreatecookie", "udevreleasecookie", "udevflags",
	"udevcomplete", "udevcomplete_all", "udevcookie", "udevcookies", "target-version",
	"targets", "version", "setgeometry", "splitname", "measure",
};

/* Options of dmsetup that take the next word as their value. */
static const char *const dmsetup_valued[] = {
	"-G", "-j", "-m", "-M", "-o", "-O", "-S", "-u", "-U", "--area",
	"--areas", "--areasize", "--auxdata", "--bounds", "--count", "--exec", "--gid",
	"--groupid", "--interval", "--length", "--major", "--manglename", "--minor", "--mode",
	"--options", "--programid", "--readahead", "--regionid", "--regions", "--select",
	"--separator", "--sort", "--start", "--table", "--target", "--udevcookie", "--uid",
	"--units", "--userdata", "--uuid",
	/* and of ours */
	"--reportformat", "--device", "--scan-dir",
};

static bool in_list(const char *word, const char *const *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(word, list[i]))
			return true;
	return false;
}

/* Where the verb is among global options that may stand before it; 0: nowhere. */
static int find_verb(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' || !argv[i][1])
			return i;
		if (!strcmp(argv[i], "--"))
			return i + 1 < argc ? i + 1 : 0;
		if (in_list(argv[i], dmsetup_valued, ARRAY_SIZE(dmsetup_valued)))
			i++;
	}
	return 0;
}

static int exec_dmsetup(char **argv)
{
	static const char *const places[] = {
		"dmsetup", "/usr/sbin/dmsetup", "/sbin/dmsetup",
	};

	argv[0] = (char *)"dmsetup";
	fflush(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		execvp(places[i], argv);
	fprintf(stderr, "redosetup: cannot run dmsetup: %s; is it installed?\n", strerror(errno));
	return 1;
}

/* Running a command ------------------------------------------------------------ */

static const struct command *find_command(const char *name)
{
	for (int i = 0; i < nr_commands; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* "cbt mark" are two words; the second goes from the arguments. */
static const struct command *find_words(int *argc, char **argv, int at)
{
	const struct command *c = find_command(argv[at]);
	char two[64];

	if (c || at + 1 >= *argc)
		return c;
	snprintf(two, sizeof(two), "%s %s", argv[at], argv[at + 1]);
	c = find_command(two);
	if (c) {
		memmove(argv + at + 1, argv + at + 2, (*argc - at - 1) * sizeof(*argv));
		--*argc;
	}
	return c;
}

/* The first of two words. */
static bool is_family(const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < nr_commands; i++)
		if (!strncmp(commands[i].name, name, len) && commands[i].name[len] == ' ')
			return true;
	return false;
}

static int family_usage(const char *name, const char *next)
{
	bool help = next && (!strcmp(next, "-h") || !strcmp(next, "--help"));
	FILE *f = help ? stdout : stderr;

	if (!help)
		fprintf(f, "redosetup %s: %s%s\n", name, next ? "unknown command " : "which of them?",
			next ? next : "");
	fprintf(f, "Usage: redosetup %s <command> [options] [arguments]\n\nCommands:\n", name);
	for (int i = 0; i < nr_commands; i++)
		if (!strncmp(commands[i].name, name, strlen(name)) &&
		    commands[i].name[strlen(name)] == ' ')
			print_command_line(f, &commands[i]);
	return help ? 0 : 2;
}

#define LONG_BASE	256

/* getopt's tables for what @c takes. */
static void build_options(const struct command *c, char *shorts, struct option *longs)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_defs); i++) {
		const struct option_def *o = &option_defs[i];

		if (!strchr(c->options, o->letter))
			continue;
		*longs++ = (struct option){ o->name, optional(o) ? optional_argument :
					    o->arg ? required_argument : no_argument,
					    NULL, LONG_BASE + (int)i };
		if (short_of(o)) {
			*shorts++ = short_of(o);
			if (o->arg)
				*shorts++ = ':';
		}
	}
	*shorts = '\0';
	*longs = (struct option){ 0 };
}

static const struct option_def *option_of(const struct command *c, int code)
{
	if (code >= LONG_BASE)
		return &option_defs[code - LONG_BASE];
	for (size_t i = 0; i < ARRAY_SIZE(option_defs); i++)
		if (short_of(&option_defs[i]) == code && strchr(c->options, option_defs[i].letter))
			return &option_defs[i];
	return NULL;
}

static int parse_options(const struct command *c, int argc, char **argv, bool *help)
{
	char shorts[2 * ARRAY_SIZE(option_defs) + 1];
	struct option longs[ARRAY_SIZE(option_defs) + 1];
	int code;

	build_options(c, shorts, longs);
	while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_def *o = code == '?' ? NULL : option_of(c, code);

		if (!o) {
			fprintf(stderr, "See redosetup %s -h\n", c->name);
			return RESULT_USAGE;
		}
		if (o->letter == 'h') {
			*help = true;
			return 0;
		}
		if (set_option(o->letter, optarg))
			return usage_error(c, "--%s %s is not valid", o->name, optarg);
	}
	return 0;
}

/* What a command returned, as an exit status. The only place that decides. */
static int exit_status(int r)
{
	if (r == 0)
		return 0;
	if (r == RESULT_USAGE)
		return 2;
	if (r < 0)
		fprintf(stderr, "redosetup %s: %s\n", verb, redo_last_error());
	return 1;
}

static int run_command(const struct command *c, int argc, char **argv)
{
	bool help = false;
	int r;

	verb = c->name;
	redo_step_fn = print_step;
	r = parse_options(c, argc, argv, &help);
	if (r)
		return exit_status(r);
	if (help) {
		print_command_help(c);
		return 0;
	}
	argc -= optind;
	argv += optind;
	if (argc < c->min_args || (c->max_args >= 0 && argc > c->max_args))
		r = usage_error(c, "expects %s", c->args);
	else
		r = c->run(c, argc, argv);
	if (!r)
		background_done(verb);
	if (fflush(stdout) || ferror(stdout))
		r = r ? r : redo_err(EIO, "cannot write the output");
	return exit_status(r);
}

/* Our verb comes first for getopt, options that stood before it after it. */
static void rotate_verb(char **argv, int at)
{
	char *word = argv[at];

	memmove(argv + 1, argv, at * sizeof(*argv));
	argv[0] = word;
}

int main(int argc, char **argv)
{
	int at = find_verb(argc, argv);
	const struct command *c = at ? find_words(&argc, argv, at) : NULL;

	if (c) {
		rotate_verb(argv, at);
		argv[1] = (char *)"redosetup";	/* how getopt calls us */
		return run_command(c, argc - 1, argv + 1);
	}
	if (at && is_family(argv[at]))
		return family_usage(argv[at], at + 1 < argc ? argv[at + 1] : NULL);
	if (at && in_list(argv[at], dmsetup_verbs, ARRAY_SIZE(dmsetup_verbs)))
		return exec_dmsetup(argv);
	if (argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))) {
		print_usage(stdout);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--version")) {
		printf("redosetup %s\n", redo_version());
		return 0;
	}
	if (at)
		fprintf(stderr, "redosetup: unknown command %s\n", argv[at]);
	print_usage(stderr);
	return 2;
}
