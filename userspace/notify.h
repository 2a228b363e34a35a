/* SPDX-License-Identifier: MIT */
/* notify.h - the service manager's readiness protocol (sd_notify(3)); nothing without one */
#ifndef NOTIFY_H
#define NOTIFY_H

/* Sends `state`, such as "READY=1", to $NOTIFY_SOCKET if there is one. */
void notify(const char *state);

#endif /* NOTIFY_H */
