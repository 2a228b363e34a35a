/* SPDX-License-Identifier: MIT */
/* buffer.h - text that grows. Pure. */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Zeroed is empty. Without the memory for more `failed` is set, and nothing is added until it is
 * cleared: who fills it looks once, at the end.
 */
struct buffer {
	char *data; /* not terminated */
	size_t length;
	size_t capacity;
	bool failed;
};

void buffer_add(struct buffer *b, const void *data, size_t size);
void buffer_text(struct buffer *b, const char *text);
/* Empties it, keeps the memory. */
void buffer_clear(struct buffer *b);
void buffer_free(struct buffer *b);

#endif /* BUFFER_H */
