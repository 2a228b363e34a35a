/* SPDX-License-Identifier: MIT */
#include "note.h"

#include <errno.h>
#include <string.h>

#define OWNER "stapsdt"
#define TYPE  3

/* Three addresses, before the texts. */
#define ADDRESSES (3 * sizeof(uint64_t))

static size_t padded(size_t size)
{
	return (size + NOTE_ALIGN - 1) / NOTE_ALIGN * NOTE_ALIGN;
}

static const char *take_text(const char **at, const char *end)
{
	const char *text = *at, *nul = memchr(text, '\0', (size_t)(end - text));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

static int read_one(const uint8_t *bytes, size_t size, struct note *note)
{
	const char *at = (const char *)bytes + ADDRESSES, *end = (const char *)bytes + size;

	if (size < ADDRESSES)
		return -EBADMSG;
	memcpy(&note->site, bytes, sizeof(uint64_t));
	memcpy(&note->base, bytes + 8, sizeof(uint64_t));
	memcpy(&note->semaphore, bytes + 16, sizeof(uint64_t));
	note->provider = take_text(&at, end);
	note->name = note->provider ? take_text(&at, end) : NULL;
	note->arguments = note->name ? take_text(&at, end) : NULL;
	return note->arguments ? 0 : -EBADMSG;
}

int note_each(const uint8_t *bytes, size_t size, int (*found)(void *ctx, const struct note *note),
	      void *ctx)
{
	size_t at = 0;
	int err = 0;

	while (!err && at < size) {
		struct note note;
		Elf64_Nhdr header;
		size_t name, text;

		if (size - at < sizeof(header))
			return -EBADMSG;
		memcpy(&header, bytes + at, sizeof(header));
		name = at + sizeof(header);
		if (header.n_namesz > size - name || padded(header.n_namesz) > size - name)
			return -EBADMSG;
		text = name + padded(header.n_namesz);
		if (header.n_descsz > size - text)
			return -EBADMSG;
		/* The last one's padding may be missing. */
		at = text + padded(header.n_descsz);
		if (header.n_type != TYPE || header.n_namesz != sizeof(OWNER) ||
		    memcmp(bytes + name, OWNER, sizeof(OWNER)) != 0)
			continue;
		err = read_one(bytes + text, header.n_descsz, &note);
		err = err ? err : found(ctx, &note);
	}
	return err;
}

int note_each_in(const struct image *image, const Elf64_Shdr *section,
		 int (*found)(void *ctx, const struct note *note), void *ctx)
{
	const uint8_t *bytes = section ? image_content(image, section) : NULL;

	return bytes ? note_each(bytes, section->sh_size, found, ctx) : 0;
}

static void put(uint8_t *out, size_t *at, const void *what, size_t size)
{
	if (out)
		memcpy(out + *at, what, size);
	*at += size;
}

size_t note_write(const struct note *note, uint8_t *out)
{
	const char *texts[] = { note->provider, note->name, note->arguments };
	Elf64_Nhdr header = { .n_namesz = sizeof(OWNER), .n_descsz = ADDRESSES, .n_type = TYPE };
	size_t at = 0;

	for (size_t i = 0; i < 3; i++)
		header.n_descsz += (uint32_t)strlen(texts[i]) + 1;
	put(out, &at, &header, sizeof(header));
	put(out, &at, OWNER, sizeof(OWNER));
	put(out, &at, &note->site, sizeof(uint64_t));
	put(out, &at, &note->base, sizeof(uint64_t));
	put(out, &at, &note->semaphore, sizeof(uint64_t));
	for (size_t i = 0; i < 3; i++)
		put(out, &at, texts[i], strlen(texts[i]) + 1);
	put(out, &at, "\0\0\0", padded(at) - at);
	return at;
}
