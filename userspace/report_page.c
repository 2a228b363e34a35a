/* SPDX-License-Identifier: MIT */
#include "report_page.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DATA_MARK "@DATA@"

/* report.html, as it is. */
__asm__(".section .rodata\n"
	".global report_page_html\n"
	"report_page_html:\n"
	".incbin \"userspace/report.html\"\n"
	".byte 0\n"
	".previous\n");
extern const char report_page_html[];

struct parts {
	const char *text[3];
	size_t size[3];
};

static struct parts parts_of(const char *data)
{
	const char *mark = strstr(report_page_html, DATA_MARK);
	const char *rest = mark + strlen(DATA_MARK);

	return (struct parts){ { report_page_html, data, rest },
			       { (size_t)(mark - report_page_html), strlen(data), strlen(rest) } };
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

static int write_parts(int fd, const char *data)
{
	struct parts parts = parts_of(data);
	int err = 0;

	for (int i = 0; i < 3 && !err; i++)
		err = write_all(fd, parts.text[i], parts.size[i]);
	return err;
}

static int fail(const char *path, int err, char *why, size_t why_size)
{
	snprintf(why, why_size, "cannot write %s: %s%s", path, strerror(-err),
		 err == -ENOSPC || err == -EDQUOT ? "; nothing of it was kept" : "");
	return err;
}

/* A device, a pipe: not to be replaced by a file. */
static bool is_special(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int open_special(const char *path)
{
	int fd = strcmp(path, "-") ? open(path, O_WRONLY | O_CLOEXEC) : dup(STDOUT_FILENO);

	return fd < 0 ? -errno : fd;
}

static int write_special(const char *path, const char *data)
{
	int fd = open_special(path), err;

	if (fd < 0)
		return fd;
	err = write_parts(fd, data);
	return close(fd) && !err ? -errno : err;
}

/* As any new file: what mkostemp() makes is for its owner only. */
static int give_usual_mode(int fd)
{
	mode_t mask = umask(0);

	umask(mask);
	return fchmod(fd, 0666 & ~mask) ? -errno : 0;
}

/* A link stays one: the file it leads to is replaced. */
static const char *target_of(const char *path, char real[PATH_MAX])
{
	return realpath(path, real) ? real : path;
}

static int write_beside(const char *path, const char *data)
{
	char beside[PATH_MAX];
	int fd, err;

	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write_parts(fd, data);
	if (!err)
		err = give_usual_mode(fd);
	/* A disk that is full may say so only now. */
	if (!err && fsync(fd) && errno != EINVAL)
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(beside, path))
		err = -errno;
	if (err)
		unlink(beside);
	return err;
}

int report_page_check(const char *path, char *why, size_t why_size)
{
	char copy[PATH_MAX];
	struct stat st;

	if (!strcmp(path, "-") || is_special(path))
		return 0;
	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return fail(path, -ENAMETOOLONG, why, why_size);
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return fail(path, -EISDIR, why, why_size);
	return access(dirname(copy), W_OK | X_OK) ? fail(path, -errno, why, why_size) : 0;
}

int report_page_write(const char *path, const char *data, char *why, size_t why_size)
{
	char real[PATH_MAX];
	int err;

	if (!strcmp(path, "-") || is_special(path))
		err = write_special(path, data);
	else
		err = write_beside(target_of(path, real), data);
	return err ? fail(strcmp(path, "-") ? path : "to standard output", err, why, why_size) : 0;
}
