/* SPDX-License-Identifier: MIT */
#include "ended.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "text.h"

#define LINES_MOST 8

struct process {
	struct pb_process_key key;
	char name[16];
	bool shown;
	UT_hash_handle hh;
};

struct ended {
	struct process *processes; /* in the order in which they came */
};

struct ended *ended_new(void)
{
	return calloc(1, sizeof(struct ended));
}

static void forget(struct ended *e, struct process *p)
{
	HASH_DEL(e->processes, p);
	free(p);
}

void ended_free(struct ended *e)
{
	struct process *p, *next;

	if (!e)
		return;
	HASH_ITER (hh, e->processes, p, next)
		forget(e, p);
	free(e);
}

void ended_begin_shown(struct ended *e)
{
	for (struct process *p = e->processes; p; p = p->hh.next)
		p->shown = false;
}

void ended_see(struct ended *e, const struct pb_process_key *process, const char *name, bool shown)
{
	struct process *p;

	HASH_FIND(hh, e->processes, process, sizeof(*process), p);
	if (p) {
		p->shown |= shown;
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	p->key = *process;
	p->shown = shown;
	snprintf(p->name, sizeof(p->name), "%s", name);
	HASH_ADD(hh, e->processes, key, sizeof(p->key), p);
	if (!p->hh.tbl)
		free(p);
}

void ended_tell(struct ended *e, void (*tell)(const char *line, void *context), void *context)
{
	struct process *p, *next;
	char line[96];
	size_t count = 0;

	HASH_ITER (hh, e->processes, p, next) {
		if (p->shown)
			continue;
		if (count++ < LINES_MOST) {
			snprintf(line, sizeof(line),
				 "consumer %s (%" PRIu32 ") ended while watched",
				 text_name(p->name), p->key.tgid);
			tell(line, context);
		}
		forget(e, p);
	}
	if (count <= LINES_MOST)
		return;
	snprintf(line, sizeof(line), "and %zu more ended while watched", count - LINES_MOST);
	tell(line, context);
}
