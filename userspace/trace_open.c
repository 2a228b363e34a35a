/* SPDX-License-Identifier: MIT */
#include "trace_open.h"

#include <stdlib.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct which {
	struct pb_step_key key;
	uint64_t direction; /* as wide as the rest: there is nothing in between */
};

struct shown {
	struct which which;
	uint64_t since;
	bool asked;
	UT_hash_handle hh;
};

struct trace_open {
	struct shown *shown;
};

struct trace_open *trace_open_new(void)
{
	return calloc(1, sizeof(struct trace_open));
}

static void forget(struct trace_open *o, struct shown *s)
{
	HASH_DEL(o->shown, s);
	free(s);
}

void trace_open_free(struct trace_open *o)
{
	struct shown *s, *next;

	if (!o)
		return;
	HASH_ITER (hh, o->shown, s, next)
		forget(o, s);
	free(o);
}

void trace_open_begin(struct trace_open *o)
{
	for (struct shown *s = o->shown; s; s = s->hh.next)
		s->asked = false;
}

void trace_open_end(struct trace_open *o)
{
	struct shown *s, *next;

	HASH_ITER (hh, o->shown, s, next)
		if (!s->asked)
			forget(o, s);
}

/* Without memory it is shown once more the next time. */
static void remember(struct trace_open *o, const struct which *which, uint64_t since)
{
	struct shown *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	s->which = *which;
	s->since = since;
	s->asked = true;
	HASH_ADD(hh, o->shown, which, sizeof(s->which), s);
	if (!s->hh.tbl)
		free(s);
}

bool trace_open_is_new(struct trace_open *o, const struct pb_step_key *key, int direction,
		       uint64_t since)
{
	const struct which which = { .key = *key, .direction = (uint64_t)direction };
	struct shown *s;
	bool is_new;

	HASH_FIND(hh, o->shown, &which, sizeof(which), s);
	if (!s) {
		remember(o, &which, since);
		return true;
	}
	is_new = s->since != since;
	s->since = since;
	s->asked = true;
	return is_new;
}
