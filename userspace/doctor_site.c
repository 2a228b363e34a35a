/* SPDX-License-Identifier: MIT */
#include "doctor_site.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "denied.h"
#include "pushback.h"
#include "site_code.h"
#include "usdt_semaphore.h"

struct reading {
	struct doctor_sites *out;
	pid_t pid;
};

static void count_site(void *arg, uint64_t offset, uint64_t address)
{
	const struct reading *r = (const struct reading *)arg;
	pushback_instruction code;
	int err = site_code_read(r->pid, address, &code);

	(void)offset;
	if (err)
		r->out->err = err;
	else if (code == PUSHBACK_NOP_CODE)
		r->out->nops++;
	else if (site_code_is_breakpoint(code))
		r->out->breakpoints++;
	else
		r->out->others++;
}

void doctor_sites_read(struct doctor_sites *out, pid_t pid, const struct file_id *id,
		       const struct elfnote *note)
{
	struct file_place places[ELFNOTE_SITES_MAX];
	struct reading reading = { out, pid };
	struct file_reading file = {
		.pid = pid,
		.id = id,
		.places = places,
		.places_count = note->sites_count,
		.wants = file_mapping_is_code,
		.read = count_site,
		.arg = &reading,
	};
	int err;

	*out = (struct doctor_sites){ .semaphore = semaphore_read(pid, id, note) };
	for (size_t i = 0; i < note->sites_count; i++)
		places[i] = (struct file_place){ .offset = note->sites[i].offset };
	err = file_mappings_read(&file, &out->loss);
	if (err)
		out->err = err;
	else if (!out->err && !(out->nops + out->breakpoints + out->others))
		out->err = -ENOENT;
}

void doctor_sites_judge_loss(struct finding *f, const struct file_loss *loss)
{
	if (!loss->mappings)
		return;
	finding_add(f, "; %zu more mapping%s not read", loss->mappings,
		    loss->mappings == 1 ? " was" : "s were");
	if (loss->places)
		finding_add(f, ", and %zu site%s in none that was", loss->places,
			    loss->places == 1 ? " is" : "s are");
	if (f->level != FINDING_OK)
		return;
	f->level = FINDING_WARNING;
	finding_advise(f,
		       "a file is mapped once, or a few times: why not here? see /proc/PID/maps");
}

static const char *why(int err)
{
	return err == -E2BIG ? "it maps the file too often" : strerror(-err);
}

void doctor_sites_judge(struct finding *f, const struct doctor_sites *s)
{
	size_t all = s->nops + s->breakpoints + s->others;
	bool is_denied = s->err == -EACCES || s->semaphore == -EACCES;

	if (s->err || s->semaphore < 0) {
		finding_warn(f, "its memory cannot be read (%s)",
			     why(s->err ? s->err : s->semaphore));
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
	doctor_sites_judge_loss(f, &s->loss);
}
