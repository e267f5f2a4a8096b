// SPDX-License-Identifier: LGPL-2.1-or-later
/* Devices to put deltas on: logical volumes by lvm2's own commands, files by the loop driver. */
#include <fcntl.h>
#include <libgen.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include "redo-int.h"

void (*redo_step_fn)(const char *text);
bool redo_dry_run;

int redo_step(const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (redo_step_fn)
		redo_step_fn(text);
	return redo_dry_run;
}

/* Runs a command quietly; its last line on stderr becomes the error's text. */
static int run(const char *const *argv)
{
	char text[1024] = "", *line;
	int fd[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC))
		return redo_err(errno, "cannot make a pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 0);
		dup2(null, 1);
		dup2(fd[1], 2);
		setenv("LC_ALL", "C", 1);
		execvp(argv[0], (char *const *)argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(fd[1]);
	if (pid < 0) {
		close(fd[0]);
		return redo_err(errno, "cannot run %s: %s", argv[0], strerror(errno));
	}
	while ((n = read(fd[0], text + len, sizeof(text) - 1 - len)) > 0) {
		len += n;
		if (len == sizeof(text) - 1)
			len = 0;	/* only the end matters */
		text[len] = '\0';
	}
	close(fd[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	for (len = strlen(text); len && text[len - 1] == '\n'; len--)
		text[len - 1] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	return redo_err(EIO, "%s failed: %s", argv[0], line + strspn(line, " "));
}

/* What a path is ------------------------------------------------------------- */

/* "vg-lv" with doubled hyphens to "vg/lv"; layers of LVs are not for us. */
static bool split_lv_name(const char *dm, char *lv, size_t size)
{
	size_t n = 0;
	int dashes = 0;

	for (; *dm && n + 1 < size; dm++) {
		if (dm[0] != '-') {
			lv[n++] = *dm;
		} else if (dm[1] == '-') {
			lv[n++] = '-';
			dm++;
		} else if (!dashes++) {
			lv[n++] = '/';
		} else {
			return false;
		}
	}
	lv[n] = '\0';
	return dashes == 1;
}

static bool loop_file(u64 rdev, char *file, size_t size)
{
	char sys[128];
	bool ok;
	FILE *f;

	snprintf(sys, sizeof(sys), "/sys/dev/block/%u:%u/loop/backing_file", major(rdev),
		 minor(rdev));
	f = fopen(sys, "re");
	if (!f)
		return false;
	ok = fgets(file, (int)size, f);
	fclose(f);
	if (ok)
		file[strcspn(file, "\n")] = '\0';
	return ok;
}

int redo_store_of(const char *path, struct redo_store *s)
{
	struct redo_dm_info info;
	u64 rdev = redo_path_rdev(path);
	struct stat st;

	memset(s, 0, sizeof(*s));
	redo_copy(s->path, path, sizeof(s->path));
	if (!rdev) {
		if (stat(path, &st))
			return redo_err(errno, "%s: %s", path, strerror(errno));
		if (S_ISREG(st.st_mode))
			redo_copy(s->file, path, sizeof(s->file));
		return 0;
	}
	if (loop_file(rdev, s->file, sizeof(s->file)))
		return 0;
	s->file[0] = '\0';
	if (redo_dm_present() && !redo_dm_info_dev(rdev, &info) && info.exists &&
	    !strncmp(info.uuid, "LVM-", 4) && !split_lv_name(info.name, s->lv, sizeof(s->lv)))
		s->lv[0] = '\0';
	return 0;
}

/* Loop devices ----------------------------------------------------------------- */

int redo_store_loop(const char *file, char *dev, size_t size)
{
	struct loop_config lc = { .info = { .lo_flags = 0 } };
	int ctl, fd, loop, nr, tries, r = -EBUSY;

	ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (ctl < 0)
		return redo_err(errno, "/dev/loop-control: %s (is the loop module loaded?)",
				strerror(errno));
	fd = open(file, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		close(ctl);
		return redo_err(errno, "%s: %s", file, strerror(errno));
	}
	/* Somebody else may take the free one first. */
	for (tries = 0; r == -EBUSY && tries < 16; tries++) {
		nr = ioctl(ctl, LOOP_CTL_GET_FREE);
		snprintf(dev, size, "/dev/loop%d", nr);
		loop = nr < 0 ? -1 : open(dev, O_RDWR | O_CLOEXEC);
		if (loop < 0) {
			r = -errno;
			break;
		}
		lc.fd = (u32)fd;
		redo_copy((char *)lc.info.lo_file_name, file, sizeof(lc.info.lo_file_name));
		r = ioctl(loop, LOOP_CONFIGURE, &lc) ? -errno : 0;
		close(loop);
	}
	close(fd);
	close(ctl);
	return r ? redo_err(-r, "%s: cannot attach it to a loop device: %s", file, strerror(-r)) : 0;
}

static int loop_ioctl(const char *dev, unsigned long what)
{
	int fd = open(dev, O_RDWR | O_CLOEXEC), r;

	if (fd < 0)
		return redo_err(errno, "%s: %s", dev, strerror(errno));
	r = ioctl(fd, what, 0) ? -errno : 0;
	close(fd);
	return r ? redo_err(-r, "%s: loop device: %s", dev, strerror(-r)) : 0;
}

/* Making, removing, growing -------------------------------------------------------- */

static int create_lv(const struct redo_store *like, const char *name, u64 bytes,
		     struct redo_store *s)
{
	char vg[REDO_TEXT_MAX], size[32];
	const char *argv[] = {
		"lvcreate", "--yes", "--wipesignatures", "y", "--zero", "y", "--size", size,
		"--name", name, vg, NULL,
	};
	int r;

	redo_copy(vg, like->lv, sizeof(vg));
	vg[strcspn(vg, "/")] = '\0';
	snprintf(size, sizeof(size), "%llub", (unsigned long long)bytes);
	if ((size_t)snprintf(s->lv, sizeof(s->lv), "%s/%s", vg, name) >= sizeof(s->lv) ||
	    (size_t)snprintf(s->path, sizeof(s->path), "/dev/%s/%s", vg, name) >=
	    sizeof(s->path))
		return redo_err(ENAMETOOLONG, "%s: the name is too long", name);
	if (redo_step("create logical volume %s of %llu MiB", s->lv,
		      (unsigned long long)bytes >> 20))
		return 0;
	r = run(argv);
	s->created = !r;
	return r;
}

static int create_file(const struct redo_store *like, const char *name, u64 bytes,
		       struct redo_store *s)
{
	char dir[REDO_TEXT_MAX];
	int fd, r;

	redo_copy(dir, like->file, sizeof(dir));
	if ((size_t)snprintf(s->file, sizeof(s->file), "%s/%s.redo", dirname(dir), name) >=
	    sizeof(s->file))
		return redo_err(ENAMETOOLONG, "%s: the path is too long", name);
	if (redo_step("create sparse file %s of %llu MiB and attach a loop device", s->file,
		      (unsigned long long)bytes >> 20)) {
		redo_copy(s->path, s->file, sizeof(s->path));
		return 0;
	}
	fd = open(s->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return redo_err(errno, "%s: cannot create it: %s", s->file, strerror(errno));
	r = ftruncate(fd, (off_t)bytes) ? redo_err(errno, "%s: %s", s->file, strerror(errno)) : 0;
	if (!r && fsync(fd))
		r = redo_err(errno, "%s: %s", s->file, strerror(errno));
	close(fd);
	if (!r)
		r = redo_store_loop(s->file, s->path, sizeof(s->path));
	if (r)
		unlink(s->file);
	s->created = !r;
	return r;
}

int redo_store_create(const struct redo_store *like, const char *name, u64 bytes,
		      struct redo_store *s)
{
	memset(s, 0, sizeof(*s));
	bytes = DIV_ROUND_UP(bytes, REDO_UNIT_SIZE) * REDO_UNIT_SIZE;
	if (like->lv[0])
		return create_lv(like, name, bytes, s);
	if (like->file[0])
		return create_file(like, name, bytes, s);
	return redo_err(EINVAL, "%s is neither a logical volume nor a loop device, so no new device can be made beside it; give one with --delta (--store for a tracking store)",
			like->path);
}

int redo_store_remove(const struct redo_store *s)
{
	const char *argv[] = { "lvremove", "--yes", s->lv, NULL };
	int r;

	if (s->lv[0])
		return redo_step("remove logical volume %s", s->lv) ? 0 : run(argv);
	if (!s->file[0])
		return redo_err(EINVAL, "%s: neither a logical volume nor a loop device", s->path);
	if (redo_step("detach %s and remove file %s", s->path, s->file))
		return 0;
	r = redo_path_rdev(s->path) ? loop_ioctl(s->path, LOOP_CLR_FD) : 0;
	if (!r && unlink(s->file))
		r = redo_err(errno, "%s: cannot remove it: %s", s->file, strerror(errno));
	return r;
}

static int grow_lv(const struct redo_store *s, u64 bytes)
{
	char size[32];
	const char *argv[] = { "lvextend", "--size", size, s->lv, NULL };

	snprintf(size, sizeof(size), "%llub", (unsigned long long)bytes);
	return run(argv);
}

static int grow_file(const struct redo_store *s, u64 bytes)
{
	if (truncate(s->file, (off_t)bytes))
		return redo_err(errno, "%s: cannot extend it: %s", s->file, strerror(errno));
	return redo_path_rdev(s->path) ? loop_ioctl(s->path, LOOP_SET_CAPACITY) : 0;
}

int redo_store_grow(const struct redo_store *s, u64 bytes, u64 *now)
{
	struct redo_file f;
	int r;

	if (!s->lv[0] && !s->file[0])
		return redo_err(EINVAL, "%s: neither a logical volume nor a loop device; extend it yourself, the kernel notices",
				s->path);
	if (redo_step("extend %s to %llu MiB", s->lv[0] ? s->lv : s->file,
		      (unsigned long long)bytes >> 20)) {
		*now = bytes;
		return 0;
	}
	r = s->lv[0] ? grow_lv(s, bytes) : grow_file(s, bytes);
	if (r)
		return r;
	r = redo_file_open(&f, s->path, 0);
	if (r)
		return r;
	*now = f.io.size;
	redo_file_close(&f);
	return 0;
}
