/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer harness of the note reader. From the top of the tree:
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Iinclude \
 *		-Iuserspace -Itests/unit/support tests/fuzz/fuzz_elfnote.c \
 *		tests/unit/support/elf_*.c userspace/elfnote.c userspace/elf_image.c -lelf -lz -o
 *fuzz
 *	./fuzz -max_total_time=300 -max_len=16384 CORPUS
 *
 * The first byte chooses how the rest is used: as a file, or laid over a good one at some place,
 *which gets past the headers sooner.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the rest goes. */
static const size_t places[] = { 0, 0x40, 0x800, CRAFT_NOTES, CRAFT_NOTES + 64, 0x1600 };

static void check(const uint8_t *bytes, size_t size)
{
	static int fd = -1;
	struct elfnote out;
	const char *why;
	int err;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size)
		abort();
	err = elfnote_read(fd, &out);
	why = insane(bytes, size, err, &out);
	if (why) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t places_count = sizeof(places) / sizeof(*places);
	struct craft craft;
	size_t place;

	if (size < 1)
		return 0;
	if (data[0] >= places_count) {
		check(data + 1, size - 1);
		return 0;
	}
	craft_good(&craft);
	place = places[data[0]];
	size--;
	if (size > craft.size - place)
		size = craft.size - place;
	memcpy(craft.bytes + place, data + 1, size);
	check(craft.bytes, craft.size);
	craft_free(&craft);
	return 0;
}
