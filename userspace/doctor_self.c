/* SPDX-License-Identifier: MIT */
#include "doctor_self.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "doctor_child.h"
#include "doctor_own.h"
#include "drain.h"
#include "pushback.h"

/* ---- The consumer, in the child ---- */

static struct pushback_step step = PUSHBACK_STEP_INIT("doctor");

struct answer {
	uint64_t fires;
	uint64_t counter[COUNTERS]; /* what an observer must see; no times */
	uint32_t semaphore;
	uint32_t armed; /* sites that are no nops now */
};

static void count_fire(struct answer *a, uint64_t fired)
{
	a->fires += step.fired != fired;
}

static void submit(struct answer *a, int outcome)
{
	uint64_t fired = step.fired;

	a->counter[outcome == PUSHBACK_REJECTED ? COUNTER_SEND : COUNTER_ACCEPTED]++;
	pushback_submit_return(&step, outcome);
	count_fire(a, fired);
}

static void forward(struct answer *a, int outcome)
{
	uint64_t fired = step.fired;

	a->counter[outcome == PUSHBACK_REJECTED ? COUNTER_RECEIVE : COUNTER_FORWARDED]++;
	pushback_forward_return(&step, outcome);
	count_fire(a, fired);
}

static void poll_ready(struct answer *a)
{
	uint64_t fired = step.fired;

	pushback_poll_return(&step, 1);
	count_fire(a, fired);
}

static uint32_t count_armed(void)
{
	uint32_t armed = 0;
	int site;

	for (site = PUSHBACK_SUBMIT_RETURN; site <= PUSHBACK_STEP_END; site++)
		armed += pushback_armed((enum pushback_site)site) != 0;
	return armed;
}

/* Few enough episodes that each is fired, not folded. All four probes. */
static void drive(struct answer *a)
{
	int i, n;

	for (i = 0; i < 7; i++) {
		for (n = 0; n <= i; n++)
			submit(a, PUSHBACK_REJECTED);
		submit(a, PUSHBACK_ACCEPTED);
		a->counter[COUNTER_SEND_EPISODES]++;
	}
	for (i = 0; i < 5; i++) {
		for (n = 0; n <= i; n++)
			forward(a, PUSHBACK_REJECTED);
		forward(a, PUSHBACK_ACCEPTED);
		a->counter[COUNTER_RECEIVE_EPISODES]++;
	}
	submit(a, PUSHBACK_REJECTED);
	poll_ready(a);
	a->counter[COUNTER_SEND_EPISODES]++;
	submit(a, PUSHBACK_REJECTED);
	a->counter[COUNTER_SEND_ABANDONED]++;
	pushback_step_end(&step);
	a->fires += count_armed() > 0;
}

/* 'd': drive; 's': how the sites are. */
static void serve(char command, void *out)
{
	struct answer *a = out;

	*a = (struct answer){ 0 };
	if (command == 'd')
		drive(a);
	a->semaphore = *(const volatile uint16_t *)&pushback_semaphore;
	a->armed = count_armed();
}

/* ---- The observer ---- */

struct sight {
	uint64_t hits;
	uint64_t counter[COUNTERS];
};

static const struct {
	enum counter counter;
	const char *name;
} shown[] = {
	{ COUNTER_ACCEPTED, "accepted" },
	{ COUNTER_SEND, "rejected" },
	{ COUNTER_FORWARDED, "forwarded" },
	{ COUNTER_RECEIVE, "refused" },
	{ COUNTER_SEND_EPISODES, "send episodes" },
	{ COUNTER_RECEIVE_EPISODES, "receive episodes" },
	{ COUNTER_SEND_ABANDONED, "abandoned" },
};

#define SHOWN (sizeof(shown) / sizeof(shown[0]))

struct self {
	struct finding *f;
	struct doctor_child child;
	struct attach *attach;
	int fd; /* our executable */
	struct answer truth;
	struct sight sight;
	char how[32];
	char why[ATTACH_WHY_SIZE];
};

/* The notes that our executable does not have. */
static int own_note(struct elfnote *note)
{
	uint64_t semaphore;
	int site, err = doctor_own_offset(&pushback_semaphore, &semaphore);

	*note = (struct elfnote){ .sites_count = PB_PROBES };
	for (site = 0; !err && site < PB_PROBES; site++) {
		uintptr_t at = pushback_site_address((enum pushback_site)site);

		note->sites[site].probe = (enum pb_probe)site;
		note->sites[site].semaphore = semaphore;
		err = doctor_own_offset((const void *)at, &note->sites[site].offset);
	}
	return err;
}

static int attach_to_child(struct self *s, bool no_multi)
{
	struct attach_options options = { .filter_processes = true, .no_multi = no_multi };
	const struct file_id id = { .dev = 1, .inode = 1 };
	struct elfnote note;
	int err = own_note(&note);

	if (err) {
		snprintf(s->why, sizeof(s->why), "cannot find our own probes: %s", strerror(-err));
		return err;
	}
	err = attach_new(&s->attach, &options, s->why);
	if (!err)
		err = attach_process(s->attach, s->child.pid, s->why);
	if (!err)
		err = attach_file(s->attach, s->fd, &id, &note, NULL, s->why);
	return err;
}

static int take(const struct record *record, void *context)
{
	struct self *s = context;
	size_t i;

	if (record->key.process.tgid != (uint32_t)s->child.pid)
		return 0;
	s->sight.hits += record->events;
	for (i = 0; i < COUNTERS; i++)
		s->sight.counter[i] += record->counter[i];
	return 0;
}

static int drain(struct self *s)
{
	struct attach_maps maps;
	struct timespec now;
	struct drain *d;
	int err;

	attach_get_maps(s->attach, &maps);
	d = drain_new(&maps);
	if (!d)
		return -ENOMEM;
	clock_gettime(CLOCK_MONOTONIC, &now);
	err = drain_run(d, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, DRAIN_LAST,
			take, s);
	drain_free(d);
	return err;
}

static void judge_counts(struct self *s)
{
	bool same = s->sight.hits == s->truth.fires && s->truth.fires;
	size_t i;

	finding_ok(s->f, "attached to a child of ours by %s: %llu of %llu hits", s->how,
		   (unsigned long long)s->sight.hits, (unsigned long long)s->truth.fires);
	for (i = 0; i < SHOWN; i++) {
		uint64_t seen = s->sight.counter[shown[i].counter];
		uint64_t true_one = s->truth.counter[shown[i].counter];

		same &= seen == true_one;
		finding_add(s->f, ", %llu of %llu %s", (unsigned long long)seen,
			    (unsigned long long)true_one, shown[i].name);
	}
	if (same)
		return;
	s->f->level = FINDING_FAILURE;
	finding_advise(s->f, "do not trust numbers from this host; please report this with the "
			     "kernel's version");
}

/*
 * The kernel takes the breakpoints away some time after the last link is closed; and another doctor may
 * be trying the same executable.
 */
static void judge_end(struct self *s)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct answer now;
	int tries = 250, err;

	while (!(err = doctor_child_ask(&s->child, 's', &now)) && (now.semaphore || now.armed) &&
	       tries--)
		nanosleep(&pause, NULL);
	if (err) {
		s->f->level = FINDING_FAILURE;
		finding_add(s->f, "; let go, but the child did not survive it");
		finding_advise(s->f, "attach nothing on this host; please report this");
		return;
	}
	if (!now.semaphore && !now.armed) {
		finding_add(s->f, "; let go, nothing is left");
		return;
	}
	finding_add(s->f, "; let go, but 5 s later the semaphore is %u and %u sites are armed",
		    now.semaphore, now.armed);
	if (s->f->level == FINDING_OK) {
		s->f->level = FINDING_WARNING;
		finding_advise(s->f, "does another tool watch this very executable?");
	}
}

static void try_out(struct self *s, bool no_multi)
{
	int err = attach_to_child(s, no_multi);

	if (err) {
		finding_fail_why(s->f, s->why);
		return;
	}
	snprintf(s->how, sizeof(s->how), "%s",
		 attach_is_multi(s->attach) ? "uprobe_multi" : "perf uprobes");
	err = doctor_child_ask(&s->child, 'd', &s->truth);
	if (err) {
		finding_fail(s->f, "the watched child did not come back (%s)", strerror(-err));
		finding_advise(s->f, "attach nothing on this host; please report this");
		return;
	}
	err = drain(s);
	if (err) {
		finding_fail(s->f, "cannot read the kernel's maps (%s)", strerror(-err));
		finding_advise(s->f, "--verbose shows what the kernel says");
		return;
	}
	judge_counts(s);
	attach_free(s->attach);
	s->attach = NULL;
	judge_end(s);
}

void doctor_self_check(struct finding *f, bool no_multi)
{
	struct self s = { .f = f };
	int err;

	s.fd = open(DOCTOR_OWN_PATH, O_RDONLY | O_CLOEXEC);
	if (s.fd < 0) {
		finding_fail(f, "cannot open our own executable (%s)", strerror(errno));
		finding_advise(f, "make it readable for the user who runs it");
		return;
	}
	/* Before the attach: a consumer that runs already. */
	err = doctor_child_start(&s.child, serve, sizeof(struct answer));
	if (err) {
		finding_fail(f, "cannot start a process to try it on (%s)", strerror(-err));
		finding_advise(f, "let it have more processes, or memory");
	} else {
		try_out(&s, no_multi);
	}
	attach_free(s.attach);
	doctor_child_end(&s.child);
	close(s.fd);
}
