/* SPDX-License-Identifier: MIT */
/* notify.h - the service manager's protocol (sd_notify(3)); nothing without one */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

/* Sends `state`, such as "READY=1", to $NOTIFY_SOCKET if there is one. */
void notify(const char *state);

/*
 * From the loop itself, however often: tells a manager that watches over us, as $WATCHDOG_USEC says, that
 * it is not stuck. `now` is the monotonic clock's.
 */
void notify_alive(uint64_t now);

#endif /* NOTIFY_H */
