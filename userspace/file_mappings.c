/* SPDX-License-Identifier: MIT */
#include "file_mappings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int by_offset(const void *a, const void *b)
{
	uint64_t x = ((const struct file_place *)a)->offset;
	uint64_t y = ((const struct file_place *)b)->offset;

	return (x > y) - (x < y);
}

/* One by one would be too much, of a thousand places in each of 65,000 mappings. */
static size_t first_from(const struct file_reading *r, uint64_t offset)
{
	size_t low = 0, high = r->places_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->places[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Of a place that is not before the mapping. */
static bool holds(const struct proc_mapping *mapping, const struct file_place *place)
{
	return place->offset - mapping->offset < mapping->end - mapping->start;
}

static void read_places(const struct file_reading *r, const struct proc_mapping *mapping, size_t i)
{
	for (; i < r->places_count && holds(mapping, &r->places[i]); i++) {
		struct file_place *place = &r->places[i];

		place->read = true;
		r->read(r->arg, place->offset, mapping->start + (place->offset - mapping->offset));
	}
}

static void read_mapping(const struct file_reading *r, const struct proc_mapping *mapping,
			 size_t *read, struct file_loss *loss)
{
	size_t first = first_from(r, mapping->offset);

	if (first == r->places_count || !holds(mapping, &r->places[first]))
		return;
	if (*read == FILE_MAPPINGS_MOST) {
		loss->mappings++;
		return;
	}
	(*read)++;
	read_places(r, mapping, first);
}

static void read_all(const struct file_reading *r, FILE *maps, struct file_loss *loss)
{
	char *line = NULL;
	size_t size = 0, read = 0;

	while (getline(&line, &size, maps) > 0) {
		struct proc_mapping mapping;

		if (proc_maps_parse(line, &mapping) && mapping.inode == r->id->inode &&
		    mapping.dev == r->id->dev && r->wants(&mapping))
			read_mapping(r, &mapping, &read, loss);
	}
	free(line);
}

int file_mappings_read(const struct file_reading *r, struct file_loss *loss)
{
	char path[64];
	FILE *maps;

	*loss = (struct file_loss){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)r->pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	qsort(r->places, r->places_count, sizeof(*r->places), by_offset);
	read_all(r, maps, loss);
	fclose(maps);
	for (size_t i = 0; loss->mappings && i < r->places_count; i++)
		loss->places += !r->places[i].read;
	return 0;
}

bool file_mapping_is_code(const struct proc_mapping *mapping)
{
	return mapping->executable;
}
