// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /etc/redo/chains: which base has which chain's name. Needed only for chains
 * that have no delta yet, and to find a base that has moved; everything else is
 * on the disks. Replaced as a whole by rename, under a lock.
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "redo-int.h"

const char *redo_reg_path(void)
{
	const char *path = getenv("REDO_CHAINS");

	return path && *path ? path : "/etc/redo/chains";
}

static void get_text(struct json_object *o, const char *key, char *text, size_t size)
{
	struct json_object *v;

	*text = '\0';
	if (json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string))
		redo_copy(text, json_object_get_string(v), size);
}

static bool get_entry(struct json_object *o, struct redo_reg_entry *e)
{
	struct json_object *v;

	memset(e, 0, sizeof(*e));
	get_text(o, "name", e->name, sizeof(e->name));
	get_text(o, "base", e->base, sizeof(e->base));
	get_text(o, "base_id", e->base_id, sizeof(e->base_id));
	get_text(o, "merged", e->merged, sizeof(e->merged));
	get_text(o, "features", e->features, sizeof(e->features));
	get_text(o, "tracker", e->tracker, sizeof(e->tracker));
	get_text(o, "store", e->store, sizeof(e->store));
	get_text(o, "store_made", e->store_made, sizeof(e->store_made));
	if (json_object_object_get_ex(o, "sectors", &v))
		e->sectors = (u64)json_object_get_int64(v);
	if (json_object_object_get_ex(o, "swapped", &v))
		e->swapped = json_object_get_boolean(v);
	if (json_object_object_get_ex(o, "deltas", &v))
		e->deltas = json_object_get_boolean(v);
	return redo_name_valid(e->name);
}

int redo_reg_load(struct redo_reg_entry **entries, u32 *nr)
{
	const char *path = redo_reg_path();
	struct json_object *root, *list;
	size_t n, i;

	*entries = NULL;
	*nr = 0;
	if (access(path, F_OK))
		return 0;
	root = json_object_from_file(path);
	if (!root || !json_object_object_get_ex(root, "chains", &list) ||
	    !json_object_is_type(list, json_type_array)) {
		json_object_put(root);
		return redo_err(EINVAL, "%s: not a register of chains; move it away or mend it",
				path);
	}
	n = json_object_array_length(list);
	*entries = calloc(n ? n : 1, sizeof(**entries));
	for (i = 0; *entries && i < n; i++)
		if (get_entry(json_object_array_get_idx(list, i), &(*entries)[*nr]))
			(*nr)++;
	json_object_put(root);
	return *entries ? 0 : redo_err(ENOMEM, "out of memory");
}

static struct json_object *to_json(const struct redo_reg_entry *e, u32 nr)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_array();

	for (u32 i = 0; i < nr; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(e[i].name));
		json_object_object_add(o, "base", json_object_new_string(e[i].base));
		json_object_object_add(o, "base_id", json_object_new_string(e[i].base_id));
		json_object_object_add(o, "sectors", json_object_new_int64((int64_t)e[i].sectors));
		json_object_object_add(o, "swapped", json_object_new_boolean(e[i].swapped));
		json_object_object_add(o, "deltas", json_object_new_boolean(e[i].deltas));
		json_object_object_add(o, "merged", json_object_new_string(e[i].merged));
		json_object_object_add(o, "features", json_object_new_string(e[i].features));
		json_object_object_add(o, "tracker", json_object_new_string(e[i].tracker));
		json_object_object_add(o, "store", json_object_new_string(e[i].store));
		json_object_object_add(o, "store_made", json_object_new_string(e[i].store_made));
		json_object_array_add(list, o);
	}
	json_object_object_add(root, "chains", list);
	return root;
}

static int write_text(const char *tmp, const char *text)
{
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t len = strlen(text);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || write(fd, "\n", 1) != 1 || fsync(fd))
		r = errno ? -errno : -EIO;
	close(fd);
	return r;
}

static int save(const struct redo_reg_entry *e, u32 nr)
{
	const char *path = redo_reg_path();
	struct json_object *root = to_json(e, nr);
	char tmp[4096];
	int r;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	r = write_text(tmp, json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
							   JSON_C_TO_STRING_SPACED |
							   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	if (!r && rename(tmp, path))
		r = -errno;
	return r ? redo_err(-r, "%s: cannot write it: %s", path, strerror(-r)) : 0;
}

/* The directory is made when it is not there. */
int redo_reg_lock(const char *suffix)
{
	char path[4096];
	int fd;

	redo_copy(path, redo_reg_path(), sizeof(path));
	if (mkdir(dirname(path), 0755) && errno != EEXIST)
		return redo_err(errno, "%s: cannot make its directory: %s", redo_reg_path(),
				strerror(errno));
	snprintf(path, sizeof(path), "%s.%s", redo_reg_path(), suffix);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX)) {
		int err = errno;

		if (fd >= 0)
			close(fd);
		return redo_err(err, "%s: cannot lock it: %s", path, strerror(err));
	}
	return fd;
}

static int find(const struct redo_reg_entry *e, u32 nr, const char *name)
{
	for (u32 i = 0; i < nr; i++)
		if (!strcmp(e[i].name, name))
			return (int)i;
	return -1;
}

int redo_reg_set(const struct redo_reg_entry *new)
{
	struct redo_reg_entry *e;
	int fd = redo_reg_lock("lock"), r, at;
	u32 nr;

	if (fd < 0)
		return fd;
	r = redo_reg_load(&e, &nr);
	if (!r) {
		void *p = realloc(e, (nr + 1) * sizeof(*e));

		if (p) {
			e = p;
			at = find(e, nr, new->name);
			e[at < 0 ? (int)nr++ : at] = *new;
			r = save(e, nr);
		} else {
			r = redo_err(ENOMEM, "out of memory");
		}
		free(e);
	}
	close(fd);
	return r;
}

int redo_reg_drop(const char *name)
{
	struct redo_reg_entry *e;
	int fd = redo_reg_lock("lock"), r, at;
	u32 nr;

	if (fd < 0)
		return fd;
	r = redo_reg_load(&e, &nr);
	at = r ? -1 : find(e, nr, name);
	if (at >= 0) {
		e[at] = e[--nr];
		r = save(e, nr);
	}
	if (!r)
		free(e);
	close(fd);
	return r;
}

int redo_reg_find(const char *name, struct redo_reg_entry *found)
{
	struct redo_reg_entry *e;
	u32 nr;
	int at, r = redo_reg_load(&e, &nr);

	if (r)
		return r;
	at = find(e, nr, name);
	if (at >= 0)
		*found = e[at];
	free(e);
	return at >= 0 ? 0 : -ENOENT;
}
