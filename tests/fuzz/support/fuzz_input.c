/* SPDX-License-Identifier: MIT */
#include "fuzz_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Noreturn void fuzz_broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

void input_bytes(struct input *in, void *out, size_t size)
{
	size_t there = size < in->size ? size : in->size;

	memset(out, 0, size);
	if (there)
		memcpy(out, in->data, there);
	in->data += there;
	in->size -= there;
}

uint8_t input_byte(struct input *in)
{
	uint8_t byte;

	input_bytes(in, &byte, 1);
	return byte;
}

uint64_t input_number(struct input *in)
{
	uint64_t number;

	input_bytes(in, &number, sizeof(number));
	return number;
}

static char *take(struct input *in, size_t length)
{
	char *text = malloc(length + 1);

	MUST(text);
	input_bytes(in, text, length);
	text[length] = '\0';
	return text;
}

char *input_text(struct input *in)
{
	const uint8_t *end = in->size ? memchr(in->data, 0, in->size) : NULL;
	size_t length = end ? (size_t)(end - in->data) : in->size;
	char *text = take(in, length);

	if (end)
		input_byte(in);
	return text;
}

char *input_rest(struct input *in)
{
	return take(in, in->size);
}

bool input_is_over(const struct input *in)
{
	return !in->size;
}

int fuzz_file(const void *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	MUST(fd >= 0 && !ftruncate(fd, 0));
	MUST(!size || pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

bool fuzz_is_line(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	return length < size && !memchr(text, '\n', length);
}
