/* SPDX-License-Identifier: MIT */
/*
 * The note reader against whole files. The first byte chooses how the rest is used: as a file, or laid over
 * a good one at some place, which gets past the headers sooner.
 */
#include <stdio.h>
#include <string.h>

#include "elf_check.h"
#include "fuzz_input.h"

/* Where the rest goes. */
static const size_t places[] = { 0, 0x40, 0x800, CRAFT_NOTES, CRAFT_NOTES + 64, 0x1600 };

static void check(const uint8_t *bytes, size_t size)
{
	struct elfnote out;
	int err = elfnote_read(fuzz_file(bytes, size), &out);
	const char *why = insane(bytes, size, err, &out);

	if (why)
		fprintf(stderr, "%s\n", why);
	MUST(!why);
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
