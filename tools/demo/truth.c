/* SPDX-License-Identifier: MIT */
/* Writer of the truth log: its format is in truth.h. One thread drives all steps and this. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pushback.h>

#include "clock.h"
#include "put.h"
#include "truth.h"

#define BUFFER_SIZE (1u << 20)
#define RECORD_SIZE 160 /* no record but `begin` is longer */

static struct {
	int fd;
	int error;
	unsigned int steps;
	uint64_t base;
	uint64_t now; /* when the clock was last read */
	size_t used;
	char *buffer;
} out = { .fd = -1 };

bool truth_enabled;

static void log_flush(void)
{
	size_t done = 0;

	while (done < out.used) {
		ssize_t n = write(out.fd, out.buffer + done, out.used - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			out.error = -errno;
			break;
		}
		done += (size_t)n;
	}
	out.used = 0;
}

static char *log_reserve(size_t size)
{
	if (out.used + size > BUFFER_SIZE)
		log_flush();
	return out.buffer + out.used;
}

static char *put_field(char *at, uint64_t number, char after)
{
	at = put_number(at, number);
	*at++ = after;
	return at;
}

static void run_flush(const struct truth_step *step, enum truth_kind kind)
{
	const struct truth_run *run = &step->run[kind];
	char *at;

	if (!run->count)
		return;
	at = log_reserve(RECORD_SIZE);
	at = put_field(at, step->id, ' ');
	*at++ = "sfp"[kind];
	*at++ = ' ';
	at = put_field(at, run->outcome, ' ');
	at = put_field(at, run->count, ' ');
	at = put_field(at, run->first - out.base, ' ');
	at = put_field(at, run->last - run->first, run->late > TRUTH_PROMPT ? ' ' : '\n');
	if (run->late > TRUTH_PROMPT)
		at = put_field(at, run->late, '\n');
	out.used = (size_t)(at - out.buffer);
}

static void run_end(struct truth_step *step, enum truth_kind kind, unsigned int outcome)
{
	struct truth_run *run = &step->run[kind];

	if (!run->count || run->outcome != outcome)
		return;
	run_flush(step, kind);
	run->count = 0;
}

void truth_tick(void)
{
	if (truth_enabled)
		out.now = clock_now();
}

void truth_write(struct truth_step *step, enum truth_kind kind, unsigned int outcome)
{
	struct truth_run *run = &step->run[kind];

	if (run->count && run->outcome == outcome) {
		run->count++;
		run->last = out.now;
		return;
	}
	if (kind == TRUTH_SUBMIT && outcome == PUSHBACK_REJECTED)
		run_end(step, TRUTH_POLL, true);
	else if (kind == TRUTH_POLL && outcome)
		run_end(step, TRUTH_SUBMIT, PUSHBACK_REJECTED);
	run_flush(step, kind);
	/* Just before the probe: writing takes a ms at times. */
	truth_tick();
	*run = (struct truth_run){
		.first = out.now, .last = out.now, .count = 1, .outcome = outcome
	};
}

void truth_write_after(struct truth_step *step, enum truth_kind kind)
{
	struct truth_run *run = &step->run[kind];

	if (run->count == 1)
		run->late = clock_now() - run->first;
}

void truth_begin(struct truth_step *step, const char *name, unsigned int next)
{
	size_t size = strlen(name) + RECORD_SIZE;
	int n;

	*step = (struct truth_step){ .id = ++out.steps };
	if (!truth_enabled || size > BUFFER_SIZE)
		return;
	n = snprintf(log_reserve(size), size, "begin %u %u %llu %s\n", step->id, next,
		     (unsigned long long)(clock_now() - out.base), name);
	out.used += (size_t)n;
}

void truth_cut(struct truth_step *step)
{
	if (!truth_enabled)
		return;
	for (int kind = 0; kind < TRUTH_KINDS; kind++) {
		run_flush(step, kind);
		step->run[kind].count = 0;
	}
	log_flush(); /* it may be killed meanwhile */
}

void truth_end(struct truth_step *step)
{
	int n;

	if (!truth_enabled)
		return;
	truth_tick();
	truth_cut(step);
	n = snprintf(log_reserve(RECORD_SIZE), RECORD_SIZE, "end %u %llu\n", step->id,
		     (unsigned long long)(out.now - out.base));
	out.used += (size_t)n;
}

int truth_open(const char *path)
{
	out.buffer = malloc(BUFFER_SIZE);
	if (!out.buffer)
		return -ENOMEM;
	out.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out.fd < 0) {
		int err = -errno;

		free(out.buffer);
		return err;
	}
	out.base = clock_now();
	out.used = (size_t)snprintf(out.buffer, BUFFER_SIZE,
				    "# pushback-demo truth 1\nbase %llu\npid %d\n",
				    (unsigned long long)out.base, (int)getpid());
	truth_enabled = true;
	return 0;
}

int truth_close(void)
{
	if (!truth_enabled)
		return 0;
	truth_enabled = false;
	out.used += (size_t)snprintf(log_reserve(RECORD_SIZE), RECORD_SIZE, "exit %llu\n",
				     (unsigned long long)(clock_now() - out.base));
	log_flush();
	free(out.buffer);
	if (close(out.fd) < 0 && !out.error)
		out.error = -errno;
	return out.error;
}
