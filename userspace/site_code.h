/* SPDX-License-Identifier: MIT */
/*
 * site_code.h - the instruction at a probe site, as it stands in a process's memory
 */
#ifndef SITE_CODE_H
#define SITE_CODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pushback.h"

/* 0, or -EACCES, -ESRCH, -EFAULT, ... By peek(): for one caller at a time. */
int site_code_read(pid_t pid, uint64_t address, pushback_instruction *code);

/* A probe is one, whoever has set it. */
bool site_code_is_breakpoint(pushback_instruction code);

#endif /* SITE_CODE_H */
