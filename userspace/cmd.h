/* SPDX-License-Identifier: MIT */
/* cmd.h - the verbs; each is a file of its own, cmd_NAME.c */
#ifndef CMD_H
#define CMD_H

#include "opts.h"

extern const struct verb verb_run;
extern const struct verb verb_top;
extern const struct verb verb_list;
extern const struct verb verb_doctor;

#endif /* CMD_H */
