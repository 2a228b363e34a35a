/* SPDX-License-Identifier: MIT */
#include "labels.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "discover.h"
#include "statsd_line.h"

#define SPECS_MAX 16
#define TEXT_MAX  1024

enum source { FROM_ENVIRONMENT, FROM_ARGUMENT, FROM_CONTAINER, FROM_POD, FROM_PID };

struct spec {
	char key[STATSD_TEXT_MAX + 1];
	enum source source;
	const char *name; /* of the variable or option */
};

struct cached {
	struct pb_process_key process;
	UT_hash_handle hh;
	bool asked;
	char text[];
};

struct labels {
	struct spec specs[1 + SPECS_MAX];
	size_t specs_count;
	struct cached *cache;
	char part[TEXT_MAX + sizeof(LABELS_PARTLY) + 1]; /* labels_of_part()'s */
};

static bool parse_source(const char *text, struct spec *spec)
{
	static const struct {
		const char *name;
		enum source source;
		bool named;
	} sources[] = {
		{ "env:", FROM_ENVIRONMENT, true },
		{ "argv:", FROM_ARGUMENT, true },
		{ "container_id", FROM_CONTAINER, false },
		{ "pod_uid", FROM_POD, false },
		{ "pid", FROM_PID, false },
	};
	size_t i;

	for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		size_t length = strlen(sources[i].name);

		if (sources[i].named ? strncmp(text, sources[i].name, length) || !text[length]
				     : strcmp(text, sources[i].name))
			continue;
		spec->source = sources[i].source;
		spec->name = text + length;
		return true;
	}
	return false;
}

static int parse_spec(const char *text, struct spec *spec, char *why, size_t why_size)
{
	const char *equals = strchr(text, '=');
	const char *source = equals ? equals + 1 : text;
	size_t length = equals ? (size_t)(equals - text) : strlen(text);
	char given[STATSD_TEXT_MAX + 1], quoted[STATSD_TEXT_MAX + 1];

	statsd_quote(quoted, sizeof(quoted), text);
	if (!parse_source(source, spec) ||
	    (!equals && (spec->source == FROM_ENVIRONMENT || spec->source == FROM_ARGUMENT))) {
		snprintf(why, why_size,
			 "--tag-from '%s' is not known: give KEY=env:NAME, KEY=argv:--OPTION, "
			 "container_id, pod_uid or pid",
			 quoted);
		return -EINVAL;
	}
	if (length >= sizeof(given)) {
		snprintf(why, why_size, "--tag-from '%.40s...': the key is longer than %d", quoted,
			 STATSD_TEXT_MAX);
		return -EINVAL;
	}
	memcpy(given, text, length);
	given[length] = '\0';
	statsd_key(spec->key, sizeof(spec->key), given);
	return statsd_check_key(given, why, why_size);
}

struct labels *labels_new(const char *const *specs, bool origin, char *why, size_t why_size)
{
	struct labels *l = calloc(1, sizeof(*l));
	size_t i;

	if (!l) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	if (origin)
		l->specs[l->specs_count++] =
			(struct spec){ .key = LABELS_ORIGIN, .source = FROM_CONTAINER, .name = "" };
	for (i = 0; specs && specs[i]; i++) {
		if (i == SPECS_MAX) {
			snprintf(why, why_size, "more than %d --tag-from", SPECS_MAX);
			labels_free(l);
			return NULL;
		}
		if (parse_spec(specs[i], &l->specs[l->specs_count], why, why_size)) {
			labels_free(l);
			return NULL;
		}
		l->specs_count++;
	}
	return l;
}

void labels_free(struct labels *l)
{
	struct cached *c, *next;

	if (!l)
		return;
	HASH_ITER (hh, l->cache, c, next) {
		HASH_DEL(l->cache, c);
		free(c);
	}
	free(l);
}

static int look_up(const struct spec *spec, pid_t pid, char *value, size_t size)
{
	switch (spec->source) {
	case FROM_ENVIRONMENT:
		return discover_environment(pid, spec->name, value, size);
	case FROM_ARGUMENT:
		return discover_argument(pid, spec->name, value, size);
	case FROM_CONTAINER:
		return discover_container_id(pid, value, size);
	case FROM_POD:
		return discover_pod_uid(pid, value, size);
	case FROM_PID:
		snprintf(value, size, "%d", (int)pid);
		return 0;
	}
	return -EINVAL;
}

static void write_text(const struct labels *l, pid_t pid, char *text, size_t size)
{
	char value[STATSD_TEXT_MAX + 1], tag[2 * STATSD_TEXT_MAX + 2];
	size_t used = 0, i;

	text[0] = '\0';
	for (i = 0; i < l->specs_count; i++) {
		int length;

		if (look_up(&l->specs[i], pid, value, sizeof(value)))
			continue;
		length = statsd_own_tag(tag, sizeof(tag), l->specs[i].key, value);
		if (length < 0 || used + (size_t)length + 2 > size)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s", used ? "," : "", tag);
	}
}

/* NULL when out of memory. */
static struct cached *remember(struct labels *l, const struct pb_process_key *process,
			       const char *text)
{
	struct cached *c = calloc(1, sizeof(*c) + strlen(text) + 1);

	if (!c)
		return NULL;
	c->process = *process;
	c->asked = true;
	strcpy(c->text, text);
	HASH_ADD(hh, l->cache, process, sizeof(c->process), c);
	if (c->hh.tbl)
		return c;
	free(c);
	return NULL;
}

const char *labels_of(struct labels *l, const struct pb_process_key *process)
{
	struct cached *c;
	char text[TEXT_MAX];

	if (!l->specs_count)
		return "";
	HASH_FIND(hh, l->cache, process, sizeof(*process), c);
	if (c) {
		c->asked = true;
		return c->text;
	}
	write_text(l, (pid_t)process->tgid, text, sizeof(text));
	c = remember(l, process, text);
	return c ? c->text : "";
}

const char *labels_of_part(struct labels *l, const struct pb_process_key *process)
{
	const char *text = labels_of(l, process);

	snprintf(l->part, sizeof(l->part), "%s%s" LABELS_PARTLY, text, *text ? "," : "");
	return l->part;
}

void labels_sweep(struct labels *l)
{
	struct cached *c, *next;

	HASH_ITER (hh, l->cache, c, next) {
		if (!c->asked) {
			HASH_DEL(l->cache, c);
			free(c);
		} else {
			c->asked = false;
		}
	}
}

void labels_save(const struct labels *l, struct keep_writer *w)
{
	keep_number(w, l->specs_count);
	for (size_t i = 0; i < l->specs_count; i++) {
		keep_text(w, l->specs[i].key);
		keep_number(w, l->specs[i].source);
		keep_text(w, l->specs[i].name);
	}
	keep_number(w, HASH_COUNT(l->cache));
	for (const struct cached *c = l->cache; c; c = c->hh.next) {
		keep_bytes(w, &c->process, sizeof(c->process));
		keep_text(w, c->text);
	}
}

static bool has_same_specs(const struct labels *l, struct keep_reader *r)
{
	bool same = keep_read(r) == l->specs_count;

	for (size_t i = 0; same && i < l->specs_count; i++) {
		same = !strcmp(keep_read_text(r), l->specs[i].key);
		same &= keep_read(r) == l->specs[i].source;
		same &= !strcmp(keep_read_text(r), l->specs[i].name);
	}
	return same;
}

int labels_load(struct labels *l, struct keep_reader *r)
{
	size_t count;

	if (!has_same_specs(l, r))
		return keep_result(r);
	count = keep_read_count(r);
	for (size_t i = 0; i < count; i++) {
		struct pb_process_key process;
		const char *text;

		keep_read_bytes(r, &process, sizeof(process));
		text = keep_read_text(r);
		if (r->failed)
			break;
		if (!remember(l, &process, text))
			return -ENOMEM;
	}
	return keep_result(r);
}
