/* SPDX-License-Identifier: MIT */
/*
 * finder.h - what there is to watch: at the start, at each look, and when a process has begun
 *
 * A look costs time with each process of the host, and an exec may be one of thousands a second: each of
 * the two takes at most a fiftieth of a core. What an exec does not tell of, as a library that is
 * opened, is found by the next look, and so is an exec that there was no room to tell of. Not
 * thread-safe. `why` is of ATTACH_WHY_SIZE.
 */
#ifndef FINDER_H
#define FINDER_H

#include <poll.h>

#include "attach.h"
#include "matcher.h"
#include "silent.h"
#include "watch.h"

struct finder;

struct finder_options {
	const int *pids; /* these processes only ... */
	size_t pids_count;
	const char *const *paths; /* these files only, NULL-terminated; NULL: all */
	struct matcher *matcher;  /* may be NULL, as the next */
	struct silent *silent;
	const struct recipes *recipes; /* likewise */
	bool seldom;                   /* nobody waits for those that may be silent */
	uint64_t idle_ns;              /* what nobody has mapped for so long is let go; 0: never */
};

/* What is in `options` and the attach stay the caller's. NULL when out of memory. */
struct finder *finder_new(const struct finder_options *options, struct attach *attach);
void finder_free(struct finder *f);

/* Attaches to what there is. 0 or -errno: it is not as it was asked for. */
int finder_start(struct finder *f, char *why);
/* Looks for what has come since, if it is time to. A reason in `why` where something could not be had. */
void finder_look(struct finder *f, char *why);
/* Have all processes of `pids` ended? Those that have are let through no longer. */
bool finder_all_gone(struct finder *f);

#define FINDER_FDS 2

/* What wakes finder_news() before its time: fills in all of FINDER_FDS, with -1 where there is none. */
void finder_fds(const struct finder *f, uint64_t now, struct pollfd *fds);
/* When to call finder_news(), readable or not, ns of CLOCK_MONOTONIC. */
uint64_t finder_due(const struct finder *f, uint64_t now);
/* Looks at files that were written to, and at processes that have begun. As finder_look(). */
void finder_news(struct finder *f, char *why);

const struct watch *finder_watch(const struct finder *f);

#endif /* FINDER_H */
