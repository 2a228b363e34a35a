/* SPDX-License-Identifier: MIT */
#include "doctor_site.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "denied.h"
#include "file_mappings.h"
#include "pushback.h"
#include "site_code.h"
#include "usdt_semaphore.h"

struct reading {
	struct doctor_sites *out;
	pid_t pid;
	const struct elfnote *note;
};

static void count_site(struct doctor_sites *s, pid_t pid, uint64_t address)
{
	pushback_instruction code;
	int err = site_code_read(pid, address, &code);

	if (err)
		s->err = err;
	else if (code == PUSHBACK_NOP_CODE)
		s->nops++;
	else if (site_code_is_breakpoint(code))
		s->breakpoints++;
	else
		s->others++;
}

static void count_in(void *arg, const struct proc_mapping *mapping)
{
	const struct reading *r = (const struct reading *)arg;
	uint64_t address;

	for (size_t i = 0; mapping->executable && i < r->note->sites_count; i++)
		if (file_mapping_holds(mapping, r->note->sites[i].offset, &address))
			count_site(r->out, r->pid, address);
}

void doctor_sites_read(struct doctor_sites *out, pid_t pid, const struct file_id *id,
		       const struct elfnote *note)
{
	struct reading reading = { out, pid, note };
	int err;

	*out = (struct doctor_sites){ .semaphore = semaphore_read(pid, id, note) };
	err = file_mappings_each(pid, id, count_in, &reading);
	if (err)
		out->err = err;
	else if (!out->err && !(out->nops + out->breakpoints + out->others))
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
