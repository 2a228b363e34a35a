/* SPDX-License-Identifier: MIT */
#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dwarf_internal.h"

/* What a compiler makes is far below: bounds on memory and work. */
#define DEBUG_BYTES_MAX (1ull << 30)
#define NAME_MOST       256      /* bytes, of a section */
#define PARTS_MAX       64       /* of one function */
#define ENTRIES_MAX     10000000 /* that are walked through, all in all */
#define RANGES_MAX      10000000 /* of code, of all units, that an address is looked for in */

/* ---- The file ---- */

/*
 * NULL: libdw, which looks for the end of each one, and of all of them, would take long; there may be 65,000
 * sections, and 16 MiB of names.
 */
static const char *name_of(const struct elf_image *image, const GElf_Shdr *section)
{
	const char *names = image->memory + image->names_offset;
	const char *name = names + section->sh_name;

	if (section->sh_name >= image->names_size || names[image->names_size - 1])
		return NULL;
	return strnlen(name, NAME_MOST) < NAME_MOST ? name : NULL;
}

/* What libdw may take for a part of it. */
static bool is_debug(const char *name)
{
	static const char *const prefixes[] = { ".debug_", ".zdebug_", ".gnu.debuglto_" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* "ZLIB" and a big-endian number begin what is packed as before there was a flag for it (.zdebug_*). */
static uint64_t size_of_old(const char *section, uint64_t size)
{
	static const char begin[] = { 'Z', 'L', 'I', 'B' };
	uint64_t unpacked;

	if (size < sizeof(begin) + sizeof(unpacked) || memcmp(section, begin, sizeof(begin)) != 0)
		return size;
	memcpy(&unpacked, section + sizeof(begin), sizeof(unpacked));
	unpacked = be64toh(unpacked);
	return unpacked > size ? unpacked : size;
}

/* How large it is once it is unpacked. */
static uint64_t size_of(const struct elf_image *image, const GElf_Shdr *section)
{
	Elf64_Chdr header;

	if (!(section->sh_flags & SHF_COMPRESSED))
		return size_of_old(image->memory + section->sh_offset, section->sh_size);
	if (section->sh_size < sizeof(header))
		return UINT64_MAX;
	memcpy(&header, image->memory + section->sh_offset, sizeof(header));
	return header.ch_size;
}

/* libdw opens what .gnu_debugaltlink names, wherever that is; and it may be called .zgnu_debugaltlink as well. */
static bool is_link(const char *name)
{
	return strstr(name, "gnu_debugaltlink");
}

static int load_sections(struct elf_image *image, bool *info, bool *shared)
{
	uint64_t sum = 0, size;
	int err;

	for (size_t i = 1; i < image->sections; i++) {
		Elf_Scn *scn = elf_getscn(image->elf, i);
		GElf_Shdr section;
		const char *name;

		name = scn && gelf_getshdr(scn, &section) ? name_of(image, &section) : NULL;
		if (!name)
			return -EBADMSG;
		*shared = *shared || is_link(name);
		if (!is_debug(name) || section.sh_type == SHT_NOBITS)
			continue;
		if (section.sh_size > DEBUG_BYTES_MAX - sum)
			return -EFBIG;
		err = elf_image_load(image, section.sh_offset, section.sh_size);
		if (err)
			return err;
		size = size_of(image, &section);
		if (size > DEBUG_BYTES_MAX - sum)
			return -EFBIG;
		sum += size;
		*info = *info || !strcmp(name, ".debug_info") || !strcmp(name, ".zdebug_info");
	}
	return 0;
}

/* libdw's own would do what this program does at its end, of which this may be a fork. */
static __attribute__((noreturn)) void end(void)
{
	_exit(EXIT_FAILURE);
}

/* Nor by a name that it would be taken by, and we do not know. */
static Dwarf *begin(struct elf_image *image)
{
	Dwarf *dwarf = dwarf_begin_elf(image->elf, DWARF_C_READ, NULL);
	const void *id;
	const char *name;

	if (dwarf)
		dwarf_new_oom_handler(dwarf, end);
	if (dwarf && !dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id))
		return dwarf;
	dwarf_end(dwarf);
	return NULL;
}

int dwarf_enums_new(struct elf_image *image, struct dwarf_enums **out, const char **why)
{
	bool info = false, shared = false;
	struct dwarf_enums *d;
	int err = load_sections(image, &info, &shared);

	*out = NULL;
	*why = "its debug information is broken, or larger than 1 GiB";
	if (err)
		return err;
	*why = "it has no debug information";
	if (!info)
		return -ENODATA;
	*why = "its debug information is shared with other files, by dwz: it is not read";
	if (shared)
		return -ENODATA;
	*why = "out of memory";
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->dwarf = begin(image);
	if (!d->dwarf) {
		*why = "its debug information is broken";
		free(d);
		return -EBADMSG;
	}
	*out = d;
	return 0;
}

void dwarf_enums_free(struct dwarf_enums *d)
{
	if (!d)
		return;
	dwarf_end(d->dwarf);
	free(d->functions);
	free(d->units);
	free(d);
}

/* ---- Functions ---- */

bool dwarf_internal_add(void **list, size_t *count, size_t *room, const void *item, size_t size)
{
	if (*count == *room) {
		size_t more = *room ? 2 * *room : 64;
		void *grown = reallocarray(*list, more, size);

		if (!grown)
			return false;
		*list = grown;
		*room = more;
	}
	memcpy((char *)*list + (*count)++ * size, item, size);
	return true;
}

int dwarf_internal_count(struct dwarf_enums *d)
{
	if (d->entries <= ENTRIES_MAX)
		d->entries++;
	return d->entries > ENTRIES_MAX ? -E2BIG : 0;
}

/* Behind the ends of lists, a byte 0 each, and of what the lists are in. */
static int leave(struct dwarf_enums *d, struct dwarf_walk *walk, Dwarf_Off at)
{
	const Dwarf_CU *unit = walk->die.cu;

	while (walk->depth && dwarf_offdie(d->dwarf, at, &walk->die) && walk->die.cu == unit) {
		if (*(const uint8_t *)walk->die.addr)
			return 1;
		walk->depth--;
		at++;
	}
	return 0;
}

/*
 * libdw finds what is next to an entry by passing over all that is within it: uncounted, and again for each
 * one around. It is only asked where nothing is within, or where the file says what is next.
 */
int dwarf_internal_step(struct dwarf_enums *d, struct dwarf_walk *walk, bool enter)
{
	Dwarf_Off before = dwarf_dieoffset(&walk->die);
	Dwarf_Die next = walk->die;
	int end;

	if (dwarf_internal_count(d))
		return -E2BIG;
	if ((enter || !dwarf_hasattr(&walk->die, DW_AT_sibling)) &&
	    !dwarf_child(&walk->die, &next)) {
		walk->die = next;
		walk->depth++;
		return 1;
	}
	if (!walk->depth)
		return 0;
	next = walk->die;
	end = dwarf_siblingof(&walk->die, &next);
	/* Only forwards: a hostile file may say otherwise, and for ever. */
	if (end < 0 || !next.addr || dwarf_dieoffset(&next) <= before)
		return 0;
	if (end)
		return leave(d, walk, dwarf_dieoffset(&next));
	walk->die = next;
	return 1;
}

static bool has_members(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_class_type || tag == DW_TAG_union_type ||
	       tag == DW_TAG_enumeration_type || tag == DW_TAG_compile_unit;
}

static bool add_function(struct dwarf_enums *d, Dwarf_Addr address, Dwarf_Die *die)
{
	struct dwarf_function function = { .address = address, .die = dwarf_dieoffset(die) };

	return dwarf_internal_add((void **)&d->functions, &d->functions_count, &d->functions_room,
				  &function, sizeof(function));
}

/*
 * Of one in parts, as with a cold one, it is not said which is the first: clang's is the cold one, gcc's
 * is not. Who asks knows where it is entered.
 */
static int add_parts(struct dwarf_enums *d, Dwarf_Die *function)
{
	Dwarf_Addr base, begin, end, entry;
	ptrdiff_t at = 0;

	if (!dwarf_entrypc(function, &entry))
		return add_function(d, entry, function) ? 0 : -ENOMEM;
	for (int i = 0; i < PARTS_MAX; i++) {
		at = dwarf_ranges(function, at, &base, &begin, &end);
		if (at <= 0)
			break;
		if (dwarf_internal_count(d))
			return -E2BIG;
		if (begin != end && !add_function(d, begin, function))
			return -ENOMEM;
	}
	return 0;
}

/* Those of a unit, and of what has members in it. */
static int add_functions(struct dwarf_enums *d, Dwarf_Die *unit)
{
	struct dwarf_walk walk = { .die = *unit };
	unsigned int deepest = 1; /* what is below is within something else */
	bool enter = true;
	int found, err;

	while ((found = dwarf_internal_step(d, &walk, enter)) > 0) {
		int tag = dwarf_tag(&walk.die);

		enter = walk.depth <= deepest && has_members(tag);
		if (walk.depth > deepest)
			continue;
		deepest = walk.depth + enter;
		err = tag == DW_TAG_subprogram ? add_parts(d, &walk.die) : 0;
		if (err)
			return err;
	}
	return found;
}

/* As dwarf_haspc(), but `left` is how many ranges may be looked at. */
static bool has_code(Dwarf_Die *unit, uint64_t address, size_t *left)
{
	Dwarf_Addr base, begin, end;
	ptrdiff_t at = 0;

	while (*left && (at = dwarf_ranges(unit, at, &base, &begin, &end)) > 0) {
		--*left;
		if (address >= begin && address < end)
			return true;
	}
	return false;
}

static int by_offset(const void *a, const void *b)
{
	Dwarf_Off x = *(const Dwarf_Off *)a, y = *(const Dwarf_Off *)b;

	return x < y ? -1 : x > y;
}

static int add_unit(struct dwarf_enums *d, Dwarf_Die *unit)
{
	Dwarf_Off offset = dwarf_dieoffset(unit);

	if (!dwarf_internal_add((void **)&d->units, &d->units_count, &d->units_room, &offset,
				sizeof(offset)))
		return -ENOMEM;
	return add_functions(d, unit);
}

/* Those that have been looked at are passed by in the order that all are in. */
static int look_at_units(struct dwarf_enums *d, uint64_t address)
{
	size_t known = d->units_count, at = 0, left = RANGES_MAX;
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;
	int err = 0;

	while (!err && !dwarf_get_units(d->dwarf, cu, &cu, NULL, &type, &die, NULL)) {
		d->split = d->split || type == DW_UT_skeleton;
		if (type != DW_UT_compile)
			continue;
		while (at < known && d->units[at] < dwarf_dieoffset(&die))
			at++;
		if (at < known && d->units[at] == dwarf_dieoffset(&die))
			continue;
		if (has_code(&die, address, &left))
			err = add_unit(d, &die);
		else if (!left)
			err = -E2BIG;
	}
	if (d->units_count > known)
		qsort(d->units, d->units_count, sizeof(*d->units), by_offset);
	return err;
}

int dwarf_internal_look(struct dwarf_enums *d, uint64_t address)
{
	return d->entries > ENTRIES_MAX ? -E2BIG : look_at_units(d, address);
}

const char *dwarf_internal_why(int err)
{
	return err == -E2BIG ? "its debug information has more entries or ranges of code than are "
			       "looked at"
			     : "out of memory";
}
