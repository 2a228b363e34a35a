/* SPDX-License-Identifier: MIT */
#include "elfnote_text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	size_t offset;
} reasons[] = {
	{ "dead", offsetof(struct elfnote, dead) },
	{ "duplicate", offsetof(struct elfnote, duplicate) },
	{ "unknown", offsetof(struct elfnote, unknown) },
	{ "malformed", offsetof(struct elfnote, malformed) },
	{ "too_many", offsetof(struct elfnote, too_many) },
};

#define REASONS (sizeof(reasons) / sizeof(reasons[0]))

static size_t count_of(const struct elfnote *note, size_t reason)
{
	return *(const size_t *)((const char *)note + reasons[reason].offset);
}

static void count_sites(const struct elfnote *note, size_t counts[PB_PROBES])
{
	size_t i;

	memset(counts, 0, PB_PROBES * sizeof(*counts));
	for (i = 0; i < note->sites_count; i++)
		counts[note->sites[i].probe]++;
}

__attribute__((format(printf, 3, 4))) static void add(char *out, size_t size, const char *format,
						      ...)
{
	size_t used = strlen(out);
	va_list args;

	if (used && used + 1 < size) {
		out[used++] = ',';
		out[used] = '\0';
	}
	va_start(args, format);
	vsnprintf(out + used, size - used, format, args);
	va_end(args);
}

const char *elfnote_text_build_id(const struct elfnote *note, size_t digits, char *out, size_t size)
{
	size_t i;

	snprintf(out, size, "-");
	for (i = 0; i < note->build_id_size && 2 * i + 1 < size; i++)
		snprintf(out + 2 * i, size - 2 * i, "%02x", note->build_id[i]);
	if (strlen(out) > digits)
		out[digits] = '\0';
	return out;
}

const char *elfnote_text_probes(const struct elfnote *note, char *out, size_t size)
{
	size_t counts[PB_PROBES], i;
	bool all = true;

	count_sites(note, counts);
	out[0] = '\0';
	for (i = 0; i < PB_PROBES; i++) {
		/* "submit" and "end" are enough to know them by. */
		const char *name = elfnote_probe_name((enum pb_probe)i);
		const char *begin = i == PB_PROBE_STEP_END ? strchr(name, '_') + 1 : name;
		int length = (int)strcspn(begin, "_");

		all &= counts[i] == 1;
		if (counts[i] == 1)
			add(out, size, "%.*s", length, begin);
		else if (counts[i])
			add(out, size, "%.*s*%zu", length, begin, counts[i]);
	}
	if (all || !*out)
		snprintf(out, size, "%s", all ? "all" : "-");
	return out;
}

const char *elfnote_text_skipped(const struct elfnote *note, char *out, size_t size)
{
	size_t i;

	out[0] = '\0';
	for (i = 0; i < REASONS; i++) {
		if (count_of(note, i))
			add(out, size, "%zu %s", count_of(note, i), reasons[i].name);
	}
	if (!*out)
		snprintf(out, size, "-");
	return out;
}

json_t *elfnote_json_build_id(const struct elfnote *note)
{
	char text[2 * ELFNOTE_BUILD_ID_MAX + 1];

	if (!note->build_id_size)
		return json_null();
	return json_string(elfnote_text_build_id(note, sizeof(text), text, sizeof(text)));
}

/* Takes `object`; NULL when anything in it could not be made. */
static json_t *whole(json_t *object, bool failed)
{
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *elfnote_json_probes(const struct elfnote *note)
{
	json_t *object = json_object();
	size_t counts[PB_PROBES], i;
	bool failed = false;

	count_sites(note, counts);
	for (i = 0; i < PB_PROBES; i++)
		failed |= json_object_set_new(object, elfnote_probe_name((enum pb_probe)i),
					      json_integer((json_int_t)counts[i])) != 0;
	return whole(object, failed);
}

json_t *elfnote_json_skipped(const struct elfnote *note)
{
	json_t *object = json_object();
	bool failed = false;
	size_t i;

	for (i = 0; i < REASONS; i++)
		failed |= json_object_set_new(object, reasons[i].name,
					      json_integer((json_int_t)count_of(note, i))) != 0;
	return whole(object, failed);
}
