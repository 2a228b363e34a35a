/* SPDX-License-Identifier: MIT */
#include "file_pages.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The unit of what is read; nothing depends on the machine's. */
#define PAGE 4096ull

int file_pages_open(struct file_pages *f, int fd, uint64_t size)
{
	uint64_t pages = size / PAGE + 1;

	*f = (struct file_pages){ .fd = fd, .size = size };
	if (size > INT64_MAX - PAGE)
		return -EFBIG;
	f->mapped = pages * PAGE + pages / 8 + 1;
	f->memory = mmap(NULL, f->mapped, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->memory == MAP_FAILED) {
		f->memory = NULL;
		return -EFBIG;
	}
	f->read = (unsigned char *)f->memory + pages * PAGE;
	return 0;
}

void file_pages_close(struct file_pages *f)
{
	if (f->memory)
		munmap(f->memory, f->mapped);
	*f = (struct file_pages){ .fd = -1 };
}

static bool was_read(const struct file_pages *f, uint64_t page)
{
	return f->read[page / 8] & 1u << page % 8;
}

/* 0, or -EBADMSG where the file ends before. */
static int read_fully(int fd, char *to, uint64_t size, uint64_t offset)
{
	while (size) {
		ssize_t n = pread(fd, to, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		to += n;
		offset += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

/* Pages of which none was read. Nobody has looked at what a failure leaves: it is read again then. */
static int read_run(struct file_pages *f, uint64_t page, uint64_t end)
{
	uint64_t from = page * PAGE, to = end * PAGE < f->size ? end * PAGE : f->size;
	int err = read_fully(f->fd, f->memory + from, to - from, from);

	if (err)
		return err;
	f->count += end - page;
	for (; page < end; page++)
		f->read[page / 8] |= (unsigned char)(1u << page % 8);
	return 0;
}

static uint64_t count_new(const struct file_pages *f, uint64_t page, uint64_t end)
{
	uint64_t count = 0;

	for (; page < end; page++)
		count += !was_read(f, page);
	return count;
}

int file_pages_load(struct file_pages *f, uint64_t offset, uint64_t size)
{
	uint64_t page = offset / PAGE, run, end;
	int err = 0;

	if (offset > f->size || size > f->size - offset)
		return -EBADMSG;
	if (!size)
		return 0;
	end = (offset + size - 1) / PAGE + 1;
	/* Of ever so large a one that is not even counted. */
	if (size > FILE_PAGES_BYTES_MAX ||
	    count_new(f, page, end) > FILE_PAGES_BYTES_MAX / PAGE - f->count)
		return -EFBIG;
	for (; !err && page < end; page = run) {
		run = page + 1;
		if (was_read(f, page))
			continue;
		while (run < end && !was_read(f, run))
			run++;
		err = read_run(f, page, run);
	}
	return err;
}
