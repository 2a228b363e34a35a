/* SPDX-License-Identifier: MIT */
#include "report_page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "write_all.h"

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

/* As any new file: what mkostemp() makes is for its owner only. */
static int give_usual_mode(int fd)
{
	mode_t mask = umask(0);

	umask(mask);
	return fchmod(fd, 0666 & ~mask) ? -errno : 0;
}

struct report_page {
	const char *said; /* as it was given; the caller's */
	int fd;
	char path[PATH_MAX];
	char beside[PATH_MAX]; /* "": it is written to as it is */
};

static int open_special(struct report_page *page)
{
	page->fd = strcmp(page->path, "-") ? open(page->path, O_WRONLY | O_CLOEXEC)
					   : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	return page->fd < 0 ? -errno : 0;
}

static int open_beside(struct report_page *page)
{
	char real[PATH_MAX];
	struct stat st;
	int length;

	/* A link stays one: the file it leads to is replaced. */
	if (realpath(page->path, real))
		strcpy(page->path, real);
	if (!stat(page->path, &st) && S_ISDIR(st.st_mode))
		return -EISDIR;
	length = snprintf(page->beside, sizeof(page->beside), "%s.XXXXXX", page->path);
	if (length >= (int)sizeof(page->beside)) {
		page->beside[0] = '\0';
		return -ENAMETOOLONG;
	}
	page->fd = mkostemp(page->beside, O_CLOEXEC);
	if (page->fd >= 0)
		return 0;
	page->beside[0] = '\0';
	return -errno;
}

int report_page_open(struct report_page **out, const char *path, char *why, size_t why_size)
{
	struct report_page *page = calloc(1, sizeof(*page));
	int err;

	*out = NULL;
	if (!page)
		return fail(path, -ENOMEM, why, why_size);
	page->fd = -1;
	page->said = path;
	if (snprintf(page->path, sizeof(page->path), "%s", path) >= (int)sizeof(page->path))
		err = -ENAMETOOLONG;
	else if (!strcmp(path, "-") || is_special(path))
		err = open_special(page);
	else
		err = open_beside(page);
	if (!err) {
		*out = page;
		return 0;
	}
	report_page_free(page);
	return fail(path, err, why, why_size);
}

static int close_page(struct report_page *page)
{
	int err = close(page->fd) ? -errno : 0;

	page->fd = -1;
	return err;
}

static int keep(struct report_page *page)
{
	int err = give_usual_mode(page->fd);

	/* A disk that is full may say so only now. */
	if (!err && fsync(page->fd) && errno != EINVAL)
		err = -errno;
	if (!err)
		err = close_page(page);
	if (!err && rename(page->beside, page->path))
		err = -errno;
	if (!err)
		page->beside[0] = '\0';
	return err;
}

int report_page_write(struct report_page *page, const char *data, char *why, size_t why_size)
{
	const char *name = strcmp(page->path, "-") ? page->said : "to standard output";
	int err = write_parts(page->fd, data);

	if (!err)
		err = page->beside[0] ? keep(page) : close_page(page);
	return err ? fail(name, err, why, why_size) : 0;
}

void report_page_free(struct report_page *page)
{
	if (!page)
		return;
	if (page->fd >= 0)
		close(page->fd);
	if (page->beside[0])
		unlink(page->beside);
	free(page);
}
