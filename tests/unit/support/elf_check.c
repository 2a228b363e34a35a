/* SPDX-License-Identifier: MIT */
#include "elf_check.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
const uint8_t nop_bytes[] = { 0x90 };
#else
const uint8_t nop_bytes[] = { 0x1f, 0x20, 0x03, 0xd5 };
#endif
const size_t nop_size = sizeof(nop_bytes);

int read_bytes(const void *bytes, size_t size, struct elfnote *out)
{
	int fd = craft_open(bytes, size), err;

	memset(out, 0xa5, sizeof(*out));
	err = elfnote_read(fd, out);
	close(fd);
	return err;
}

static bool is_in(uint64_t offset, size_t part, size_t whole)
{
	return offset <= whole && whole - offset >= part;
}

static const char *insane_site(const uint8_t *bytes, size_t size, const struct elfnote_site *site)
{
	if ((unsigned int)site->probe >= PB_PROBES)
		return "no such probe";
	if (site->offset < sizeof(Elf64_Ehdr) || !is_in(site->offset, nop_size, size))
		return "site outside";
	if (memcmp(bytes + site->offset, nop_bytes, nop_size) != 0)
		return "site is no nop";
	if (site->semaphore < sizeof(Elf64_Ehdr) || site->semaphore % 2 ||
	    !is_in(site->semaphore, 2, size))
		return "semaphore outside or odd";
	return NULL;
}

const char *insane(const uint8_t *bytes, size_t size, int err, const struct elfnote *out)
{
	static const struct elfnote none;

	if (err)
		return err < 0 && memcmp(out, &none, sizeof(none)) == 0 ? NULL : "failed, not zero";
	if (out->sites_count > ELFNOTE_SITES_MAX || out->build_id_size > ELFNOTE_BUILD_ID_MAX)
		return "too many";
	for (size_t i = 0; i < out->sites_count; i++) {
		const char *why = insane_site(bytes, size, &out->sites[i]);

		if (why)
			return why;
		for (size_t j = 0; j < i; j++)
			if (out->sites[j].offset == out->sites[i].offset)
				return "site twice";
	}
	return NULL;
}

void put32(struct craft *craft, size_t at, uint32_t value)
{
	memcpy(craft->bytes + at, &value, sizeof(value));
}
