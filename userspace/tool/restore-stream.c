// SPDX-License-Identifier: GPL-2.0-or-later
/* A backup stream out of a file or a pipe, read extent by extent. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "restore.h"

#define BUFFER	(1U << 20)

/* As redo_backup_read_fn. */
static int read_file(void *ctx, void *buf, size_t len, size_t *got)
{
	FILE *file = ctx;

	*got = 0;
	while (*got < len) {
		if (interrupted())
			return redo_err(EINTR, "interrupted");
		errno = 0;
		*got += fread((u8 *)buf + *got, 1, len - *got, file);
		if (feof(file))
			break;
		if (ferror(file) && errno != EINTR)
			return redo_err(errno ? errno : EIO, "read error: %s",
					strerror(errno ? errno : EIO));
		clearerr(file);
	}
	return 0;
}

/* The text gets the name of the file in front. */
static int name_it(const struct stream *s, int r)
{
	char text[2048];

	if (r >= 0)
		return r;
	redo_copy(text, redo_last_error(), sizeof(text));
	return redo_err(-r, "%s: %s", s->name, text);
}

static int header(struct stream *s)
{
	int r = redo_backup_open(read_file, s->file, &s->reader);

	if (!r)
		s->info = *redo_backup_get_info(s->reader);
	return name_it(s, r);
}

int stream_open(struct stream *s, const char *name, u64 start)
{
	struct stat st;
	int fd;

	*s = (struct stream){ .name = name, .start = start };
	if (!strcmp(name, "-")) {
		s->name = "standard input";
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		if (fd >= 0 && isatty(fd)) {
			close(fd);
			return redo_err(ENOTTY, "a backup does not come from a terminal; name its files");
		}
	} else {
		fd = open(name, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st))
		return redo_err(errno, "%s: cannot open: %s", s->name, strerror(errno));
	/* Standard input may stand anywhere in a file: it is read as it comes. */
	s->regular = S_ISREG(st.st_mode) && strcmp(name, "-");
	s->file = fdopen(fd, "r");
	if (!s->file) {
		close(fd);
		return redo_err(ENOMEM, "out of memory");
	}
	setvbuf(s->file, NULL, _IOFBF, BUFFER);
	if (start && fseeko(s->file, (off_t)start, SEEK_SET))
		return redo_err(errno, "%s: cannot seek: %s", s->name, strerror(errno));
	return header(s);
}

int stream_again(struct stream *s)
{
	redo_backup_close(s->reader);
	s->reader = NULL;
	s->covered = 0;
	return header(s);
}

/* An increment must have all that the disk has grown by: nobody else does. */
static int check_growth(struct stream *s, u64 offset, u64 end)
{
	u64 from = s->covered > s->before ? s->covered : s->before;

	if (s->info.incremental && end > from && offset > from)
		return redo_err(EBADMSG, "%s: bytes %llu to %llu, by which the disk has grown, are not in it",
				s->name, (unsigned long long)from, (unsigned long long)offset);
	s->covered = end;
	return 0;
}

int stream_next(struct stream *s)
{
	int r;

	if (!s->reader)
		return 0;
	r = name_it(s, redo_backup_next(s->reader, &s->at));
	if (r == 1) {
		int err = check_growth(s, s->at.offset, s->at.offset + s->at.bytes);

		return err ? err : 1;
	}
	s->at = (struct redo_backup_extent){ 0 };
	if (r)
		return r;
	r = check_growth(s, s->info.disk_bytes, s->info.disk_bytes);
	if (!r) {
		redo_backup_close(s->reader);
		s->reader = NULL;
	}
	return r;
}

void stream_close(struct stream *s)
{
	redo_backup_close(s->reader);
	if (s->file)
		fclose(s->file);
	s->reader = NULL;
	s->file = NULL;
}
