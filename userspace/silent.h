/* SPDX-License-Identifier: MIT */
/*
 * silent.h - processes that map an attached file and have made no return since
 *
 * Stopped, idle, or inside one call all the time: no probe of theirs fires, so the model has never
 * heard of them, and what shows the others would pass them over. Numbers are those of /proc, which the
 * probes' are. Not thread-safe.
 */
#ifndef SILENT_H
#define SILENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SILENT_SHOWN 4

struct silent;

struct silent_view {
	size_t count; /* of all */
	size_t shown_count;
	struct silent_process {
		pid_t pid;
		char name[16]; /* as the process has it */
		char state;    /* as in /proc/PID/stat */
	} shown[SILENT_SHOWN]; /* stopped ones first */
};

/* NULL when out of memory. */
struct silent *silent_new(void);
/* NULL is fine, here and below: then nobody is silent. */
void silent_free(struct silent *s);

/* This process maps an attached file; from the first time on it has had the time to make a return. */
void silent_meet(struct silent *s, pid_t pid, uint64_t now);
/* All that there are have been met: the others are forgotten. */
void silent_end_look(struct silent *s);
/* A return of this process has been seen. */
void silent_hear(struct silent *s, pid_t pid);
/* Who has not been heard for so long that it tells something. Looks into /proc for these. */
void silent_get(const struct silent *s, uint64_t now, struct silent_view *out);

/*
 * Those that are silent for `age` already, each only once; how many. The view is of these alone. Looks
 * into /proc for them.
 */
size_t silent_news(struct silent *s, uint64_t now, uint64_t age, struct silent_view *out);

/* One line, names as they are in the view; "" where there is nobody. Pure. */
void silent_words(const struct silent_view *view, char *out, size_t size);

#endif /* SILENT_H */
