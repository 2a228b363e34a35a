/* SPDX-License-Identifier: MIT */
/*
 * control.h - what changes a consumer while it runs: signals, lines on stdin, the end of its time
 *
 * A thread of its own waits for them. The thread that drives the steps asks here, and asks cheaply.
 */
#ifndef DEMO_CONTROL_H
#define DEMO_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "slow.h"

enum command_verb {
	COMMAND_SLOW,
	COMMAND_REBALANCE, /* end all steps, make new ones */
	COMMAND_PAUSE,     /* call no step until COMMAND_RESUME */
	COMMAND_RESUME,
};

struct command {
	enum command_verb verb;
	struct slow_request slow;
};

extern atomic_bool control_stopped;
extern atomic_uint control_waiting; /* commands not yet taken */

/*
 * Blocks SIGTERM and SIGINT and starts the thread; so before any other thread. `duration` in ns, 0
 * for no end. Returns 0 or -errno.
 */
int control_start(uint64_t duration);
void control_finish(void);

/* Takes the oldest command; false if there is none. */
bool control_take(struct command *command);

/* Waits until `until` (CLOCK_MONOTONIC ns), or there is a command, or all is to stop. */
void control_wait(uint64_t until);

/* SIGTERM, SIGINT, quit, or the time is over. */
static inline bool control_stop(void)
{
	return atomic_load_explicit(&control_stopped, memory_order_relaxed);
}

static inline bool control_pending(void)
{
	return atomic_load_explicit(&control_waiting, memory_order_relaxed) != 0;
}

#endif /* DEMO_CONTROL_H */
