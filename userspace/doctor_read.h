/* SPDX-License-Identifier: MIT */
/* doctor_read.h - small files of /proc and /sys */
#ifndef DOCTOR_READ_H
#define DOCTOR_READ_H

#include <stddef.h>
#include <stdint.h>

/* The file's text, terminated, cut to `size`. 0 or -errno. */
int doctor_read_text(const char *path, char *text, size_t size);
/* A file that holds a number. -EINVAL: it does not. */
int doctor_read_number(const char *path, long *value);

/* Our effective capabilities, a bit each; 0 if they cannot be told. */
uint64_t doctor_read_capabilities(void);

/*
 * What the running kernel was configured with: 'y', 'm', 'n', or 0 where neither /proc/config.gz nor
 * /boot/config-RELEASE say so.
 */
char doctor_read_config(const char *name);

#endif /* DOCTOR_READ_H */
