/* SPDX-License-Identifier: MIT */
/*
 * file_pages.h - a file's bytes in memory of ours, of which each page is read once, when it is asked for
 *
 * What is there stays as it was when it was read, whoever writes to the file meanwhile; a file that
 * shrinks is a short read and no SIGBUS. What is not asked for takes no memory, so that a hole of
 * terabytes costs nothing. Library code: does not print.
 */
#ifndef FILE_PAGES_H
#define FILE_PAGES_H

#include <stdint.h>

/* Of one file, all that is read of it. Linkers make smaller ones, but for debug information. */
#define FILE_PAGES_BYTES_MAX (2ull << 30)

struct file_pages {
	int fd;              /* the caller's */
	uint64_t size;       /* of the file, as it was at first */
	char *memory;        /* zeros where nothing was read */
	unsigned char *read; /* a bit for each page, behind the memory */
	uint64_t mapped;     /* both */
	uint64_t count;      /* of pages that were read */
};

/* -EFBIG: too large to map. On failure there is nothing to close. */
int file_pages_open(struct file_pages *f, int fd, uint64_t size);
void file_pages_close(struct file_pages *f);

/*
 * -EBADMSG: it is not (any more) within the file; -EFBIG: it would be more than FILE_PAGES_BYTES_MAX in all.
 * On failure some of it may have been read all the same.
 */
int file_pages_load(struct file_pages *f, uint64_t offset, uint64_t size);

#endif /* FILE_PAGES_H */
