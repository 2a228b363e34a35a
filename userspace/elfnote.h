/* SPDX-License-Identifier: MIT */
/*
 * elfnote.h - the pushback sites of an ELF file, from .note.stapsdt
 *
 * The file may be hostile: every size and offset is checked, and a note is used only if its site is
 * a nop in an executable segment and its semaphore lies in a writable, file-backed one (a bss
 * semaphore has no place in the file that the kernel could count in). Linkers leave dead notes
 * behind, and one bad offset would fail the attach of the whole file. Library code: returns, does
 * not print.
 */
#ifndef ELFNOTE_H
#define ELFNOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pushback_abi.h"

/* Of one file; more are left out and counted. */
#define ELFNOTE_SITES_MAX    64
#define ELFNOTE_BUILD_ID_MAX 20

struct elfnote_site {
	enum pb_probe probe;
	uint64_t offset;    /* in the file */
	uint64_t semaphore; /* its offset in the file */
};

struct elfnote {
	size_t sites_count;
	struct elfnote_site sites[ELFNOTE_SITES_MAX];
	/* Notes of our provider that are no sites, by reason. */
	size_t dead;      /* site or semaphore is not where one can be: left by the linker */
	size_t duplicate; /* same offset as another one */
	size_t unknown;   /* a probe that this version does not know */
	size_t malformed; /* the note itself, or the rest of its section, is not read */
	size_t too_many;  /* above ELFNOTE_SITES_MAX, or above 10,000 notes: not looked at */
	size_t build_id_size;
	uint8_t build_id[ELFNOTE_BUILD_ID_MAX];
};

/*
 * Reads the open file `fd`. 0 (also with no site in it, or without section headers: that is where
 * the notes are found); -ENOEXEC not an ELF file, or not one of this machine's; -EBADMSG a
 * truncated or contradictory one; -EFBIG too large to map; -EIO, -ENOMEM, -EISDIR... On failure
 * `out` is all zero.
 */
int elfnote_read(int fd, struct elfnote *out);

/* Whether both are of the same build and have the same sites: what is attached to one fits the other. */
bool elfnote_is_same(const struct elfnote *a, const struct elfnote *b);

/* "submit_return"... as it stands in the notes. */
const char *elfnote_probe_name(enum pb_probe probe);

#endif /* ELFNOTE_H */
