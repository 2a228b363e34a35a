/* SPDX-License-Identifier: MIT */
#include "doctor_site.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "denied.h"
#include "proc_maps.h"
#include "pushback.h"
#include "usdt_semaphore.h"

#if defined(__x86_64__)
#define BREAKPOINT_CODE 0xccu
#else
#define BREAKPOINT_CODE 0xd4200000u
#define BREAKPOINT_MASK 0xffe0001fu /* any brk */
#endif

static bool is_breakpoint(pushback_instruction code)
{
#if defined(__x86_64__)
	return code == BREAKPOINT_CODE;
#else
	return (code & BREAKPOINT_MASK) == BREAKPOINT_CODE;
#endif
}

static int read_code(pid_t pid, uint64_t address, pushback_instruction *code)
{
	struct iovec to = { code, sizeof(*code) };
	struct iovec from = { (void *)(uintptr_t)address, sizeof(*code) };
	ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);

	if (n < 0)
		return errno == EPERM ? -EACCES : -errno;
	return n == sizeof(*code) ? 0 : -EFAULT;
}

static void count_site(struct doctor_sites *s, pid_t pid, uint64_t address)
{
	pushback_instruction code;
	int err = read_code(pid, address, &code);

	if (err)
		s->err = err;
	else if (code == PUSHBACK_NOP_CODE)
		s->nops++;
	else if (is_breakpoint(code))
		s->breakpoints++;
	else
		s->others++;
}

/* The sites that lie in this mapping. */
static void count_in(struct doctor_sites *s, pid_t pid, const struct proc_mapping *mapping,
		     const struct elfnote *note)
{
	size_t i;

	for (i = 0; i < note->sites_count; i++) {
		uint64_t offset = note->sites[i].offset;

		if (offset >= mapping->offset &&
		    offset - mapping->offset < mapping->end - mapping->start)
			count_site(s, pid, mapping->start + (offset - mapping->offset));
	}
}

void doctor_sites_read(struct doctor_sites *out, pid_t pid, const struct file_id *id,
		       const struct elfnote *note)
{
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *maps;

	*out = (struct doctor_sites){ .semaphore = semaphore_read(pid, id, note) };
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps) {
		out->err = errno == ENOENT ? -ESRCH : -errno;
		return;
	}
	while (getline(&line, &size, maps) > 0) {
		struct proc_mapping mapping;

		if (proc_maps_parse(line, &mapping) && mapping.executable &&
		    mapping.inode == id->inode && mapping.dev == id->dev)
			count_in(out, pid, &mapping, note);
	}
	free(line);
	fclose(maps);
	if (!out->err && !(out->nops + out->breakpoints + out->others))
		out->err = -ENOENT;
}

void doctor_sites_judge(struct finding *f, const struct doctor_sites *s)
{
	size_t all = s->nops + s->breakpoints + s->others;
	bool is_denied = s->err == -EACCES || s->semaphore == -EACCES;

	if (s->err || s->semaphore < 0) {
		finding_warn(f, "its memory cannot be read (%s)",
			     strerror(s->err ? -s->err : -s->semaphore));
		if (is_denied)
			finding_advise(f, "%s", denied_why());
	} else if (s->others) {
		finding_fail(f,
			     "%zu of %zu sites are neither nop nor breakpoint: its code is not "
			     "what the file says",
			     s->others, all);
		finding_advise(f, "was the file overwritten in place, or its code patched? restart "
				  "the consumer");
	} else if (s->breakpoints && s->semaphore) {
		finding_ok(f, "somebody watches already: semaphore %d, %zu of %zu sites armed",
			   s->semaphore, s->breakpoints, all);
	} else if (s->breakpoints) {
		finding_warn(f,
			     "another tool holds %zu of %zu sites without their semaphore: the "
			     "kernel may refuse us",
			     s->breakpoints, all);
		finding_advise(f, "end that tool (gdb, perf probe, an old bpftrace?)");
	} else if (s->semaphore) {
		finding_warn(f, "semaphore %d, but no site is armed: a tool raised it by hand",
			     s->semaphore);
		finding_advise(f, "end that tool, or else restart the consumer: it believes to be "
				  "watched");
	} else {
		finding_ok(f, "nobody else watches: semaphore 0, %zu sites not armed", all);
	}
}
