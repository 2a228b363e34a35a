/* SPDX-License-Identifier: MIT */
#include "keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define NAME_MOST   31
#define NUMBER_MOST 10 /* bytes */

/* Before all sections. Native byte order: it does not leave the machine. */
struct header {
	char magic[8];
	uint32_t version;
	uint32_t checksum; /* of what comes after the header */
	uint64_t size;     /* of it */
};

static const char magic[8] = { 'p', 'u', 's', 'h', 'b', 'a', 'c', 'k' };

static bool reserve(struct keep_writer *w, size_t more)
{
	size_t capacity = w->capacity ? w->capacity * 2 : 4096;
	unsigned char *data;

	if (w->failed)
		return false;
	if (w->capacity - w->size >= more)
		return true;
	while (capacity - w->size < more)
		capacity *= 2;
	data = realloc(w->data, capacity);
	if (!data) {
		w->failed = true;
		return false;
	}
	w->data = data;
	w->capacity = capacity;
	return true;
}

/* Room for `more` bytes, behind the header's own. */
static bool make_room(struct keep_writer *w, size_t more)
{
	if (w->size)
		return reserve(w, more);
	if (!reserve(w, sizeof(struct header) + more))
		return false;
	memset(w->data, 0, sizeof(struct header));
	w->size = sizeof(struct header);
	return true;
}

void keep_bytes(struct keep_writer *w, const void *bytes, size_t size)
{
	if (!make_room(w, size) || !size)
		return;
	memcpy(w->data + w->size, bytes, size);
	w->size += size;
}

/* Seven bits a byte, the lowest first; the last byte has no high bit. */
void keep_number(struct keep_writer *w, uint64_t number)
{
	unsigned char *at;

	if (!make_room(w, NUMBER_MOST))
		return;
	at = w->data + w->size;
	for (; number >= 0x80; number >>= 7)
		*at++ = (unsigned char)(number | 0x80);
	*at++ = (unsigned char)number;
	w->size = (size_t)(at - w->data);
}

void keep_numbers(struct keep_writer *w, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		keep_number(w, numbers[i]);
}

void keep_text(struct keep_writer *w, const char *text)
{
	size_t size = strlen(text) + 1;

	keep_number(w, size);
	keep_bytes(w, text, size);
}

/* The length is not known yet, so it has its place: eight bytes after the name. */
void keep_begin(struct keep_writer *w, const char *name)
{
	char padded[NAME_MOST + 1] = { 0 };
	uint64_t size = 0;

	memcpy(padded, name, strlen(name));
	keep_bytes(w, padded, sizeof(padded));
	w->section = w->size;
	keep_bytes(w, &size, sizeof(size));
}

void keep_end(struct keep_writer *w)
{
	uint64_t size;

	if (w->failed)
		return;
	size = w->size - w->section - sizeof(size);
	memcpy(w->data + w->section, &size, sizeof(size));
}

static uint32_t checksum(const unsigned char *data, size_t size)
{
	return (uint32_t)crc32_z(0, data, size);
}

int keep_finish(struct keep_writer *w)
{
	struct header header = { .version = KEEP_VERSION };

	keep_bytes(w, NULL, 0);
	if (w->failed)
		return -ENOMEM;
	memcpy(header.magic, magic, sizeof(magic));
	header.size = w->size - sizeof(header);
	header.checksum = checksum(w->data + sizeof(header), w->size - sizeof(header));
	memcpy(w->data, &header, sizeof(header));
	return 0;
}

void keep_clear(struct keep_writer *w)
{
	w->size = 0;
	w->failed = false;
}

void keep_free(struct keep_writer *w)
{
	free(w->data);
	*w = (struct keep_writer){ 0 };
}

int keep_open(struct keep_reader *r, const void *data, size_t size)
{
	struct header header;

	*r = (struct keep_reader){ .failed = true };
	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, data, sizeof(header));
	if (memcmp(header.magic, magic, sizeof(magic)))
		return -EBADMSG;
	if (header.version != KEEP_VERSION)
		return -EPROTO;
	if (header.size > size - sizeof(header))
		return -EBADMSG;
	r->data = (const unsigned char *)data + sizeof(header);
	r->size = header.size;
	r->failed = checksum(r->data, r->size) != header.checksum;
	return r->failed ? -EBADMSG : 0;
}

bool keep_find(const struct keep_reader *r, const char *name, struct keep_reader *section)
{
	struct keep_reader at = { .data = r->data, .size = r->size, .failed = r->failed };
	char found[NAME_MOST + 1];
	uint64_t size;

	while (!at.failed && at.at < at.size) {
		keep_read_bytes(&at, found, sizeof(found));
		keep_read_bytes(&at, &size, sizeof(size));
		if (at.failed || size > at.size - at.at)
			return false;
		if (!strncmp(found, name, sizeof(found))) {
			*section = (struct keep_reader){ .data = at.data + at.at, .size = size };
			return true;
		}
		at.at += size;
	}
	return false;
}

void keep_read_bytes(struct keep_reader *r, void *bytes, size_t size)
{
	if (r->failed || size > r->size - r->at) {
		r->failed = true;
		memset(bytes, 0, size);
		return;
	}
	memcpy(bytes, r->data + r->at, size);
	r->at += size;
}

uint64_t keep_read(struct keep_reader *r)
{
	uint64_t number = 0;

	for (unsigned int shift = 0; shift < 64 && !r->failed && r->at < r->size; shift += 7) {
		unsigned char byte = r->data[r->at++];

		number |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return number;
	}
	r->failed = true;
	return 0;
}

void keep_read_numbers(struct keep_reader *r, uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		numbers[i] = keep_read(r);
}

const char *keep_read_text(struct keep_reader *r)
{
	uint64_t size = keep_read(r);
	const char *text;

	if (r->failed || !size || size > r->size - r->at) {
		r->failed = true;
		return "";
	}
	text = (const char *)r->data + r->at;
	r->at += size;
	if (strnlen(text, size) == size - 1)
		return text;
	r->failed = true;
	return "";
}

size_t keep_read_count(struct keep_reader *r)
{
	uint64_t count = keep_read(r);

	if (count <= r->size - r->at)
		return count;
	r->failed = true;
	return 0;
}

int keep_result(const struct keep_reader *r)
{
	return r->failed ? -EBADMSG : 0;
}
