/* SPDX-License-Identifier: MIT */
#include "doctor_hits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attach.h"
#include "drain.h"
#include "text.h"

#define LOOK_NS 100000000u
/* Beside another observer a step that stays as it is tells it once a second, perhaps a little late. */
#define BEAT_NS 1500000000u
#define NAMES   3 /* of steps that are told */

/* ---- What is seen ---- */

struct sight {
	uint64_t hits;
	size_t steps;
	pid_t pid; /* of the first */
	size_t names_count;
	char names[NAMES][PUSHBACK_NAME_SIZE];
};

/* In this drain, and of steps that have ended before it. */
struct watch_sight {
	struct sight now;
	struct sight ended;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void see(struct sight *s, const struct record *record)
{
	s->hits += record->events;
	if (!s->steps++)
		s->pid = (pid_t)record->key.process.tgid;
	if (s->names_count < NAMES)
		memcpy(s->names[s->names_count++], record->name, sizeof(record->name));
}

static int take(const struct record *record, void *context)
{
	struct watch_sight *s = context;

	see(record->dead ? &s->ended : &s->now, record);
	return 0;
}

static void tell_hits(struct finding *f, const struct sight *s, uint64_t took_ns, const char *how)
{
	size_t i;

	finding_ok(f, "attached by %s: %llu hit%s of %zu step%s in %.1f s: ", how,
		   (unsigned long long)s->hits, s->hits == 1 ? "" : "s", s->steps,
		   s->steps == 1 ? "" : "s", (double)took_ns / 1e9);
	for (i = 0; i < s->names_count; i++)
		finding_add(f, "%s%s", i ? ", " : "", text_name(s->names[i]));
	if (s->steps > s->names_count)
		finding_add(f, ", ...");
}

/* ---- Why nothing is seen ---- */

/* Of what was not, nothing follows. */
static bool is_read(const struct doctor_sites *s)
{
	return !s->err && !s->loss.mappings && s->semaphore != -E2BIG;
}

void doctor_hits_judge_silence(struct finding *f, const struct doctor_silence *s)
{
	double ms = (double)(s->after.cpu_ns - s->before.cpu_ns) / 1e6;
	char state = s->after.state;

	finding_warn(f, "attached, but no hit in %.1f s: ", (double)s->watched_ns / 1e9);
	if (s->gone) {
		finding_add(f, "process %d has ended meanwhile", (int)s->pid);
	} else if (state == 'T' || state == 't') {
		finding_add(f, "process %d is %s (state %c)", (int)s->pid,
			    doctor_process_state(state), state);
		finding_advise(f, state == 'T' ? "kill -CONT %d" : "end the debugger of %d",
			       (int)s->pid);
	} else if (is_read(&s->sites) && (s->sites.semaphore <= 0 || !s->sites.breakpoints)) {
		f->level = FINDING_FAILURE;
		finding_add(f,
			    "in process %d the semaphore is %d and %zu sites are armed, so it maps "
			    "another file than the one that was attached (copied up in an overlay, "
			    "or changed?)",
			    (int)s->pid, s->sites.semaphore, s->sites.breakpoints);
		finding_advise(f, "restart the consumer from the file that is there now");
	} else if (s->after.cpu_ns == s->before.cpu_ns) {
		finding_add(f, "process %d did not run at all, it is %s (state %c)", (int)s->pid,
			    doctor_process_state(state), state);
		finding_advise(f,
			       state == 'D' ? "it waits for a device or a file system: see "
					      "/proc/%d/stack"
					    : "has it input? see /proc/%d/wchan for what it "
					      "waits for",
			       (int)s->pid);
	} else if (s->others && s->watched_ns < BEAT_NS) {
		finding_add(f,
			    "somebody else watches process %d as well, and has been told already",
			    (int)s->pid);
		finding_advise(f,
			       "watch for longer, --for 2s: a step says once a second that all is "
			       "as before");
	} else {
		finding_add(f, "process %d ran for %.1f ms and called no probe", (int)s->pid, ms);
		finding_advise(f, "its steps are not driven: is there input, and do all of them go "
				  "through the probes?");
	}
}

/* ---- Attached ---- */

struct visit {
	const struct doctor_target *t;
	struct attach *attach;
	struct drain *drain;
	struct watch_sight sight;
	char why[ATTACH_WHY_SIZE];
};

static int attach_target(struct visit *v, bool no_multi)
{
	const struct doctor_target *t = v->t;
	struct attach_options options = { .filter_processes = t->pid > 0, .no_multi = no_multi };
	struct attach_maps maps;
	size_t i;
	int err;

	err = attach_new(&v->attach, &options, v->why);
	if (!err && t->pid)
		err = attach_process(v->attach, t->pid, v->why);
	for (i = 0; !err && i < t->files_count; i++) {
		const struct doctor_file *file = &t->files[i];

		if (file->note.sites_count)
			err = attach_file(v->attach, file->fd, &file->id, &file->note, NULL,
					  v->why);
	}
	if (err)
		return err;
	attach_get_maps(v->attach, &maps);
	v->drain = drain_new(&maps);
	if (v->drain)
		return 0;
	snprintf(v->why, sizeof(v->why), "out of memory");
	return -ENOMEM;
}

/* True once there are hits and no new step has shown up since the last look. */
static bool look(struct visit *v)
{
	size_t before = v->sight.now.steps + v->sight.ended.steps;

	v->sight.now = (struct sight){ 0 };
	drain_run(v->drain, now_ns(), DRAIN_ALL, take, &v->sight);
	return before && before == v->sight.now.steps + v->sight.ended.steps;
}

static bool is_anybody_left(const struct doctor_target *t)
{
	struct doctor_process process;
	size_t i;

	for (i = 0; i < t->pids_count; i++) {
		if (!doctor_process_read(t->pids[i], &process) && process.state != 'Z')
			return true;
	}
	return false;
}

static void wait_for_hits(struct visit *v, uint64_t until)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };

	while (now_ns() < until && is_anybody_left(v->t)) {
		nanosleep(&pause, NULL);
		if (look(v))
			return;
	}
	look(v);
}

/* The files' sites together: the worst that there is. */
static void read_sites(struct doctor_sites *out, const struct doctor_target *t, pid_t pid)
{
	bool first = true;
	size_t i;

	*out = (struct doctor_sites){ .semaphore = 0 };
	for (i = 0; i < t->files_count; i++) {
		struct doctor_sites s;

		if (!t->files[i].note.sites_count)
			continue;
		doctor_sites_read(&s, pid, &t->files[i].id, &t->files[i].note);
		if (first || s.semaphore < out->semaphore)
			out->semaphore = s.semaphore;
		first = false;
		out->err = out->err ? out->err : s.err;
		out->nops += s.nops;
		out->breakpoints += s.breakpoints;
		out->others += s.others;
		out->loss.mappings += s.loss.mappings;
		out->loss.places += s.loss.places;
	}
}

static void add_sights(struct sight *to, const struct sight *from)
{
	size_t i;

	to->hits += from->hits;
	to->steps += from->steps;
	for (i = 0; i < from->names_count && to->names_count < NAMES; i++)
		memcpy(to->names[to->names_count++], from->names[i], sizeof(from->names[i]));
}

static void explain(struct finding *f, struct visit *v, const struct doctor_silence *silence,
		    uint64_t began)
{
	struct doctor_silence s = *silence;
	char how[32];

	s.watched_ns = now_ns() - began;
	add_sights(&v->sight.now, &v->sight.ended);
	snprintf(how, sizeof(how), "%s",
		 attach_is_multi(v->attach) ? "uprobe_multi" : "perf uprobes");
	if (v->sight.now.hits) {
		tell_hits(f, &v->sight.now, s.watched_ns, how);
	} else if (!v->t->pids_count) {
		finding_ok(f, "attached by %s and let go; no process maps it now", how);
	} else {
		s.gone = doctor_process_read(s.pid, &s.after) || s.after.state == 'Z';
		read_sites(&s.sites, v->t, s.pid);
		doctor_hits_judge_silence(f, &s);
	}
}

void doctor_hits_check(struct finding *f, const struct doctor_target *t, uint64_t for_ns,
		       bool no_multi)
{
	/* Of several processes one stands for all. */
	struct doctor_silence silence = { .pid = t->pids_count ? t->pids[0] : 0 };
	struct visit v = { .t = t };
	struct doctor_sites sites;
	uint64_t began;

	if (silence.pid) {
		silence.gone = doctor_process_read(silence.pid, &silence.before) != 0;
		read_sites(&sites, t, silence.pid);
		silence.others = sites.breakpoints && sites.semaphore > 0;
	}
	if (attach_target(&v, no_multi)) {
		finding_fail_why(f, v.why);
	} else {
		began = now_ns();
		wait_for_hits(&v, began + for_ns);
		explain(f, &v, &silence, began);
	}
	drain_free(v.drain);
	attach_free(v.attach);
}
