/* SPDX-License-Identifier: MIT */
/*
 * doctor_parse.h - what the kernel says about itself, taken apart
 *
 * Pure: text in, values out. -EINVAL: it is not what it should be.
 */
#ifndef DOCTOR_PARSE_H
#define DOCTOR_PARSE_H

#include <stdint.h>

/* /sys/kernel/security/lockdown: "none [integrity] confidentiality" */
enum lockdown {
	LOCKDOWN_NONE,
	LOCKDOWN_INTEGRITY,
	LOCKDOWN_CONFIDENTIALITY,
};
int doctor_parse_lockdown(const char *text, enum lockdown *out);

/* A number and a newline, as in /proc/sys. */
int doctor_parse_number(const char *text, long *out);

/* The effective capabilities, one bit each, from the text of /proc/PID/status. */
int doctor_parse_capabilities(const char *status, uint64_t *out);

/*
 * One line of a kernel's configuration: what `name` (CONFIG_...) is set to there. 'y', 'm', 'n' ("is
 * not set"), or 0 if the line is about something else.
 */
char doctor_parse_config(const char *line, const char *name);

#endif /* DOCTOR_PARSE_H */
