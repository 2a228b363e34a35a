/* SPDX-License-Identifier: MIT */
#include "drain_seen.h"

#include <stdlib.h>
#include <string.h>

struct seen *seen_get(struct seen_table *t, const struct pb_step_key *key)
{
	struct seen *seen;

	HASH_FIND(hh, t->steps, key, sizeof(*key), seen);
	if (seen)
		return seen;
	seen = calloc(1, sizeof(*seen));
	if (!seen)
		return NULL;
	seen->key = *key;
	HASH_ADD(hh, t->steps, key, sizeof(seen->key), seen);
	if (!seen->hh.tbl) {
		free(seen);
		return NULL;
	}
	return seen;
}

void seen_count_parts(struct seen_table *t, struct seen *seen, const struct pb_step *e)
{
	unsigned int parts =
		(unsigned int)(__builtin_popcount(e->parts[0]) + __builtin_popcount(e->parts[1]));

	t->parts += parts - seen->parts;
	seen->parts = parts;
}

void seen_forget(struct seen_table *t, struct seen *seen)
{
	t->count = t->at = 0;
	t->parts -= seen->parts;
	HASH_DEL(t->steps, seen);
	durations_free(&seen->durations);
	free(seen);
}

void seen_free(struct seen_table *t)
{
	struct seen *seen, *next;

	HASH_ITER (hh, t->steps, seen, next)
		seen_forget(t, seen);
	free(t->trail);
	*t = (struct seen_table){ 0 };
}

void seen_begin(struct seen_table *t)
{
	t->count = t->at;
	t->at = 0;
}

/* Where there is no room the trail ends, and the table is asked. */
static void follow(struct seen_table *t, struct seen *seen)
{
	if (t->at == t->capacity) {
		size_t more = t->capacity ? t->capacity * 2 : 64;
		struct seen **trail = realloc(t->trail, more * sizeof(struct seen *));

		if (!trail)
			return;
		t->trail = trail;
		t->capacity = more;
	}
	t->trail[t->at++] = seen;
}

struct seen *seen_next(struct seen_table *t, const struct pb_step_key *key)
{
	struct seen *seen = t->at < t->count ? t->trail[t->at] : NULL;

	if (!seen || memcmp(&seen->key, key, sizeof(*key)))
		HASH_FIND(hh, t->steps, key, sizeof(*key), seen);
	if (seen)
		follow(t, seen);
	return seen;
}
