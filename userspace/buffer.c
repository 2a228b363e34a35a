/* SPDX-License-Identifier: MIT */
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

static bool reserve(struct buffer *b, size_t size)
{
	size_t capacity = b->capacity ? b->capacity : 256;
	char *data;

	while (capacity - b->length < size)
		capacity *= 2;
	if (capacity == b->capacity)
		return true;
	data = realloc(b->data, capacity);
	if (!data)
		return false;
	b->data = data;
	b->capacity = capacity;
	return true;
}

void buffer_add(struct buffer *b, const void *data, size_t size)
{
	if (b->failed || !size)
		return;
	b->failed = !reserve(b, size);
	if (b->failed)
		return;
	memcpy(b->data + b->length, data, size);
	b->length += size;
}

void buffer_text(struct buffer *b, const char *text)
{
	buffer_add(b, text, strlen(text));
}

void buffer_clear(struct buffer *b)
{
	b->length = 0;
	b->failed = false;
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}
