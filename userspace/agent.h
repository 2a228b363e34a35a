/* SPDX-License-Identifier: MIT */
/*
 * agent.h - the loop: attach, drain every second, flush every interval
 *
 * Owns one of each: attach, finder, matcher, drain, model, labels. Sinks are the caller's. Library code: what
 * there is to say goes into `why` (ATTACH_WHY_SIZE) or through msg_* where it is about the run.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "exit_status.h"
#include "matcher.h"
#include "sink.h"

struct agent;
struct status_socket;

struct agent_options {
	const int *pids;             /* these processes only ... */
	size_t pids_count;           /* ... 0: all */
	const char *const *paths;    /* these files only, NULL-terminated; NULL: all */
	const char *const *tag_from; /* NULL-terminated or NULL */
	struct matcher_options match;
	double budget; /* of a core, for the probes of a file; 0: what is usual, for recipes only */
	const char *const *recipes; /* files, NULL-terminated or NULL; see recipe.h */
	bool origin;                /* series are told apart by container: see labels.h */
	uint64_t idle_ns; /* files that nobody has mapped for so long are let go; 0: never */
	uint64_t interval_ns;
	bool once;   /* one interval, then the end */
	bool unseen; /* no sink asks for steps or consumers: see model.h */
	bool no_multi;
	bool no_seccomp;     /* see agent_confine() */
	bool trace;          /* for agent_take_closes(); not with pin_dir */
	const char *pin_dir; /* the state stays there for the next agent; NULL: it goes with us */
	bool find_silent;    /* for agent_stats.silent, which is empty otherwise; */
	bool say_silent;     /* ... for months: looked for now and then, and said once of each */
};

/*
 * Attaches. On failure *out is NULL, `why` says what is wrong and what would help, nothing is left
 * attached, and the result is the exit status.
 */
enum exit_status agent_new(struct agent **out, const struct agent_options *options, char *why);
void agent_free(struct agent *a);

/* "3 files, 12 sites, all processes (uprobe_multi)", and of what age a state is that goes on */
void agent_describe(const struct agent *a, char *text, size_t size);

/*
 * Gives up the privileges that start-up took, and with them what comes with none: nothing is opened for
 * writing from then on, no program run or loaded, no socket begins to listen. In the thread that is the
 * only one, once the sinks and sockets are there too. At most once; agent_run() does it if nobody has.
 */
int agent_confine(struct agent *a, char *why);

/*
 * Runs until SIGTERM, SIGINT or SIGHUP, or for one interval, or until every process of --pid is gone,
 * or a sink ends it; flushes `sinks` (at most SINKS_MAX) each interval and at the end. The signals must be blocked in all
 * threads; one that is not does what it usually does.
 */
enum exit_status agent_run(struct agent *a, struct sink *const *sinks, size_t count, char *why);
/*
 * Who asks at this socket is answered while it runs; it stays the caller's. NULL: nobody asks. SIGUSR1,
 * where it is blocked, is answered through msg_info() in any case.
 */
void agent_answer(struct agent *a, struct status_socket *socket);
/*
 * Episodes that have ended, of processes that are meant, until `fn` returns non-zero, which takes that one
 * and leaves the rest; or until many were read: the rest is for the next call. With options.trace only. What
 * is left for too long gives way, see closes_untold().
 */
void agent_take_closes(struct agent *a, int (*fn)(const struct pb_close *close, void *context),
		       void *context);
/* Readable where there are many of them; there may be some in any case. */
int agent_closes_fd(const struct agent *a);
uint64_t agent_closes_untold(const struct agent *a);
/* Whether it was a signal that ended the run. */
bool agent_was_stopped(const struct agent *a);

#endif /* AGENT_H */
