/* SPDX-License-Identifier: MIT */
/*
 * keep.h - numbers and texts into bytes and back: what one agent leaves to the next
 *
 * Sections by name, each what one part wrote of itself; numbers take as many bytes as they need. What
 * is read may be another version's or spoilt: no read goes beyond its section, one that would yields 0
 * or "" and marks its reader as failed. Pure; not thread-safe.
 */
#ifndef KEEP_H
#define KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of all that is written; the next agent refuses any other one. */
#define KEEP_VERSION 1

/* Zeroed is empty. Once it has failed (out of memory) nothing more is written. */
struct keep_writer {
	unsigned char *data;
	size_t size, capacity;
	size_t section; /* where the length of the one that is being written goes */
	bool failed;
};

/* `name` is of at most 31 bytes. Sections follow each other, none is in another one. */
void keep_begin(struct keep_writer *w, const char *name);
void keep_end(struct keep_writer *w);
void keep_number(struct keep_writer *w, uint64_t number);
void keep_numbers(struct keep_writer *w, const uint64_t *numbers, size_t count);
void keep_text(struct keep_writer *w, const char *text);
void keep_bytes(struct keep_writer *w, const void *bytes, size_t size);
/* The whole, ready to be stored: 0 or -ENOMEM. To be called last, and freed with the writer. */
int keep_finish(struct keep_writer *w);
/* Forgets what was written, keeps the memory. */
void keep_clear(struct keep_writer *w);
void keep_free(struct keep_writer *w);

struct keep_reader {
	const unsigned char *data;
	size_t size, at;
	bool failed;
};

/*
 * Checks a whole that was stored; behind it may be anything. 0; -EPROTO: of another version;
 * -EBADMSG: spoilt. `data` must live as long as the reader and its sections.
 */
int keep_open(struct keep_reader *r, const void *data, size_t size);
/* Makes `section` read that one; false if there is none of this name. */
bool keep_find(const struct keep_reader *r, const char *name, struct keep_reader *section);
uint64_t keep_read(struct keep_reader *r);
void keep_read_numbers(struct keep_reader *r, uint64_t *numbers, size_t count);
/* In the reader's data, with its NUL and none inside. */
const char *keep_read_text(struct keep_reader *r);
void keep_read_bytes(struct keep_reader *r, void *bytes, size_t size);
/* How many items follow, each of one byte or more: no more than there can be. */
size_t keep_read_count(struct keep_reader *r);
/* 0 where all reads were good, else -EBADMSG. */
int keep_result(const struct keep_reader *r);

#endif /* KEEP_H */
