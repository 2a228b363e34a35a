/* SPDX-License-Identifier: MIT */
/* cmd.h - the verbs; each is a file of its own, cmd_NAME.c */
#ifndef CMD_H
#define CMD_H

#include "exit_status.h"
#include "opts.h"

extern const struct verb verb_run;
extern const struct verb verb_list;
extern const struct verb verb_top;
extern const struct verb verb_graph;
extern const struct verb verb_doctor;

/* What cannot stand together: 0, or -EINVAL with one line in `why`. */
typedef int cmd_check(const void *settings, char *why, size_t why_size);
typedef enum exit_status cmd_body(const void *settings);

/*
 * What each verb's run() does: parses into `settings`, checks (NULL: nothing to check), calls `body`,
 * frees lists. Says what is wrong; returns an exit status.
 */
int cmd_start(const struct verb *verb, int argc, char **argv, void *settings, cmd_check *check,
	      cmd_body *body);

#endif /* CMD_H */
