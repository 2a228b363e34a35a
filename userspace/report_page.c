/* SPDX-License-Identifier: MIT */
#include "report_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beside.h"
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

struct report_page {
	const char *said; /* as it was given; the caller's */
	int fd;           /* a device, a pipe: written to as it is; -1: none */
	struct beside beside;
};

static int open_page(struct report_page *page, const char *path)
{
	int err = strcmp(path, "-") ? beside_open(&page->beside, path) : -EEXIST;

	if (err != -EEXIST)
		return err;
	page->fd = strcmp(path, "-") ? open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)
				     : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	return page->fd < 0 ? -errno : 0;
}

int report_page_open(struct report_page **out, const char *path, char *why, size_t why_size)
{
	struct report_page *page = calloc(1, sizeof(*page));
	int err;

	*out = NULL;
	if (!page)
		return fail(path, -ENOMEM, why, why_size);
	*page = (struct report_page){ path, -1, { .fd = -1, .folder = -1 } };
	err = open_page(page, path);
	if (!err) {
		*out = page;
		return 0;
	}
	free(page);
	return fail(path, err, why, why_size);
}

int report_page_write(struct report_page *page, const char *data, char *why, size_t why_size)
{
	const char *name = strcmp(page->said, "-") ? page->said : "to standard output";
	bool special = page->fd >= 0;
	int err = write_parts(special ? page->fd : page->beside.fd, data);

	if (!err && !special)
		err = beside_keep(&page->beside);
	if (!err && special) {
		err = close(page->fd) ? -errno : 0;
		page->fd = -1;
	}
	return err ? fail(name, err, why, why_size) : 0;
}

void report_page_free(struct report_page *page)
{
	if (!page)
		return;
	if (page->fd >= 0)
		close(page->fd);
	else
		beside_drop(&page->beside);
	free(page);
}
