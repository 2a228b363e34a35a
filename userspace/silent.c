/* SPDX-License-Identifier: MIT */
#include "silent.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "discover.h"
#include "doctor_process.h"
#include "text.h"

/* A step that is driven is heard within 1.5 s, by its heartbeat. */
#define SILENT_NS  2000000000u
#define ASKED_MOST 64 /* processes in a refresh: each costs two looks into /proc */

struct process {
	pid_t pid;
	uint64_t since; /* 0: not met yet */
	bool met;       /* since the look before, or heard */
	bool heard;
	bool said; /* by silent_news() */
	UT_hash_handle hh;
};

struct silent {
	struct process *processes; /* in the order in which they came */
};

struct silent *silent_new(void)
{
	return calloc(1, sizeof(struct silent));
}

static void forget(struct silent *s, struct process *p)
{
	HASH_DEL(s->processes, p);
	free(p);
}

void silent_free(struct silent *s)
{
	struct process *p, *next;

	if (!s)
		return;
	HASH_ITER (hh, s->processes, p, next)
		forget(s, p);
	free(s);
}

/* NULL when out of memory. */
static struct process *process_of(struct silent *s, pid_t pid)
{
	struct process *p;

	HASH_FIND(hh, s->processes, &pid, sizeof(pid), p);
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->pid = pid;
	HASH_ADD(hh, s->processes, pid, sizeof(p->pid), p);
	if (p->hh.tbl)
		return p;
	free(p);
	return NULL;
}

void silent_meet(struct silent *s, pid_t pid, uint64_t now)
{
	struct process *p = s ? process_of(s, pid) : NULL;

	if (!p)
		return;
	p->met = true;
	if (!p->since)
		p->since = now;
}

void silent_hear(struct silent *s, pid_t pid)
{
	struct process *p = s ? process_of(s, pid) : NULL;

	if (!p)
		return;
	/* It may be so new that no look has met it. */
	p->met |= !p->heard;
	p->heard = true;
}

void silent_end_look(struct silent *s)
{
	struct process *p, *next;

	if (!s)
		return;
	HASH_ITER (hh, s->processes, p, next) {
		if (p->met)
			p->met = false;
		else
			forget(s, p);
	}
}

/* Stopped ones come first: what to do about these is known. */
static void show(struct silent_view *view, const struct silent_process *one)
{
	size_t at = view->shown_count;

	if (one->state == 'T' || one->state == 't') {
		for (at = 0; at < view->shown_count; at++)
			if (view->shown[at].state != 'T' && view->shown[at].state != 't')
				break;
	}
	if (at == SILENT_SHOWN)
		return;
	if (view->shown_count < SILENT_SHOWN)
		view->shown_count++;
	for (size_t i = view->shown_count - 1; i > at; i--)
		view->shown[i] = view->shown[i - 1];
	view->shown[at] = *one;
}

/* Adds it to the view. False: it has ended since the look. */
static bool add(struct silent_view *view, pid_t pid)
{
	struct silent_process one = { .pid = pid };
	struct doctor_process process;

	if (view->count < ASKED_MOST) {
		if (discover_name(pid, one.name, sizeof(one.name)) ||
		    doctor_process_read(pid, &process))
			return false;
		one.state = process.state;
		show(view, &one);
	}
	view->count++;
	return true;
}

void silent_get(const struct silent *s, uint64_t now, struct silent_view *out)
{
	*out = (struct silent_view){ 0 };
	for (const struct process *p = s ? s->processes : NULL; p; p = p->hh.next)
		if (!p->heard && now >= p->since + SILENT_NS)
			add(out, p->pid);
}

size_t silent_news(struct silent *s, uint64_t now, uint64_t age, struct silent_view *out)
{
	*out = (struct silent_view){ 0 };
	for (struct process *p = s ? s->processes : NULL; p; p = p->hh.next)
		if (!p->heard && !p->said && now >= p->since + age)
			p->said = add(out, p->pid);
	return out->count;
}

void silent_words(const struct silent_view *view, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < view->shown_count && used < size; i++) {
		const struct silent_process *p = &view->shown[i];

		used += (size_t)snprintf(
			out + used, size - used, "%s%s (%d) %s",
			i ? ", " : "no return since we attached: ", text_name(p->name), (int)p->pid,
			doctor_process_state(p->state));
	}
	if (view->count > view->shown_count && used < size)
		snprintf(out + used, size - used, ", and %zu more",
			 view->count - view->shown_count);
}
