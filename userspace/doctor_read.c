/* SPDX-License-Identifier: MIT */
#include "doctor_read.h"

#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "doctor_parse.h"

int doctor_read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	int err = 0;
	size_t n;

	if (!file)
		return -errno;
	n = fread(text, 1, size - 1, file);
	text[n] = '\0';
	if (ferror(file))
		err = errno ? -errno : -EIO;
	fclose(file);
	return err;
}

int doctor_read_number(const char *path, long *value)
{
	char text[64];
	int err = doctor_read_text(path, text, sizeof(text));

	return err ? err : doctor_parse_number(text, value);
}

uint64_t doctor_read_capabilities(void)
{
	uint64_t effective;
	char text[8192];

	if (doctor_read_text("/proc/self/status", text, sizeof(text)) ||
	    doctor_parse_capabilities(text, &effective))
		return 0;
	return effective;
}

/* As it is or compressed: zlib reads either. */
static char find_in(const char *path, const char *name)
{
	gzFile file = gzopen(path, "re");
	char line[1024], value = 0;

	while (file && !value && gzgets(file, line, sizeof(line)))
		value = doctor_parse_config(line, name);
	if (file)
		gzclose(file);
	return value;
}

char doctor_read_config(const char *name)
{
	struct utsname kernel;
	char path[128], value;

	value = find_in("/proc/config.gz", name);
	if (value || uname(&kernel))
		return value;
	snprintf(path, sizeof(path), "/boot/config-%s", kernel.release);
	return find_in(path, name);
}
