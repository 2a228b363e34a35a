/* SPDX-License-Identifier: MIT */
#include "undo.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
	return (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, size);
}

bool undo_is_there(const struct image *image)
{
	return image_section(image, UNDO_SECTION) != NULL;
}

/* Of what is behind the original, the record's own checksum as 0. */
static uint32_t appended_crc(const uint8_t *bytes, size_t size, size_t original_size, size_t offset)
{
	size_t at = offset + offsetof(struct undo, appended_crc), after = at + sizeof(uint32_t);
	const uint32_t zero = 0;
	uint32_t crc = crc_of(bytes + original_size, at - original_size);

	crc = (uint32_t)crc32_z(crc, (const uint8_t *)&zero, sizeof(zero));
	return (uint32_t)crc32_z(crc, bytes + after, size - after);
}

void undo_write(uint8_t *bytes, size_t size, size_t offset, const struct image *original)
{
	struct undo undo = {
		.magic = UNDO_MAGIC,
		.original_size = original->size,
		.original_sections_offset = original->header.e_shoff,
		.original_sections_count = original->header.e_shnum,
		.original_crc = crc_of(original->bytes, original->size),
		.injected_size = size,
	};

	memcpy(bytes + offset, &undo, sizeof(undo));
	undo.appended_crc = appended_crc(bytes, size, original->size, offset);
	memcpy(bytes + offset, &undo, sizeof(undo));
}

static bool read_undo(const struct image *image, const Elf64_Shdr *section, struct undo *undo)
{
	const uint8_t *content = image_content(image, section);

	if (!content || section->sh_size != sizeof(*undo))
		return false;
	memcpy(undo, content, sizeof(*undo));
	return memcmp(undo->magic, UNDO_MAGIC, sizeof(UNDO_MAGIC)) == 0 &&
	       undo->original_size >= sizeof(Elf64_Ehdr) &&
	       undo->original_size <= section->sh_offset &&
	       undo->original_sections_count < SHN_LORESERVE;
}

static bool is_untouched(const struct image *image, const Elf64_Shdr *section,
			 const struct undo *undo)
{
	return undo->injected_size == image->size &&
	       undo->appended_crc == appended_crc(image->bytes, image->size, undo->original_size,
						  section->sh_offset);
}

uint8_t *undo_restore(const struct image *image, size_t *size, struct why *why)
{
	const Elf64_Shdr *section = image_section(image, UNDO_SECTION);
	Elf64_Ehdr header = image->header;
	struct undo undo;
	uint8_t *bytes;

	if (!section) {
		refuse(why, "has nothing injected");
		return NULL;
	}
	if (!read_undo(image, section, &undo) || !is_untouched(image, section, &undo)) {
		refuse(why, "was changed after the injection (by strip or objcopy?), so the "
			    "original can't be restored from it");
		return NULL;
	}
	*size = undo.original_size;
	bytes = malloc(*size);
	if (!bytes) {
		refuse_memory(why);
		return NULL;
	}
	memcpy(bytes, image->bytes, *size);
	header.e_shoff = undo.original_sections_offset;
	header.e_shnum = (uint16_t)undo.original_sections_count;
	memcpy(bytes, &header, sizeof(header));
	if (crc_of(bytes, *size) == undo.original_crc)
		return bytes;
	free(bytes);
	refuse(why, "was changed after the injection, in the part that was there before, so the "
		    "original can't be restored");
	return NULL;
}
