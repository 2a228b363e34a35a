/* SPDX-License-Identifier: MIT */
/* cmd.h - the verbs; each is a file of its own, cmd_NAME.c */
#ifndef CMD_H
#define CMD_H

#include "exit_status.h"
#include "opts.h"

extern const struct verb verb_run;
extern const struct verb verb_unpin;
extern const struct verb verb_list;
extern const struct verb verb_top;
extern const struct verb verb_graph;
extern const struct verb verb_check;
extern const struct verb verb_diff;
extern const struct verb verb_trace;
extern const struct verb verb_report;
extern const struct verb verb_status;
extern const struct verb verb_doctor;
extern const struct verb verb_recipe;

/* What cannot stand together: 0, or -EINVAL with one line in `why`. */
typedef int cmd_check(const void *settings, char *why, size_t why_size);
/* An exit status, or -errno where its output failed; that is said by who calls it. */
typedef int cmd_body(const void *settings);

/*
 * What each verb's run() does: parses into `settings`, checks (NULL: nothing to check), calls `body`,
 * frees lists, ends the output. Says what is wrong; returns an exit status.
 */
int cmd_start(const struct verb *verb, int argc, char **argv, void *settings, cmd_check *check,
	      cmd_body *body);

/*
 * The exit status of a program whose body came to `result`, as cmd_body: it failed as well if its
 * output could not be written, which is said. A reader that has gone is no failure.
 */
int cmd_end(int result);

#endif /* CMD_H */
