/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recipe_apart.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu_time.h"
#include "reader.h"

#define CPU_S     15 /* its own end comes after ten */
#define TIME_S    40 /* where it waits for a disk, or a CPU */
#define MEMORY    (4ull << 30)
#define TEXT_SIZE (8u << 20) /* takes only what is written */

/* What it leaves to us. Its own pointers into what was there before it are ours as well. */
struct outcome {
	int err;
	char why[4096];
	bool any; /* there is a target */
	struct recipe_sites sites;
	size_t functions[RECIPE_RULES_MAX]; /* of its rules, in `text` */
	size_t problems;                    /* so many lines come first */
	size_t used;
	bool full;
	char text[TEXT_SIZE];
};

struct question {
	const struct recipes *recipes;
	const struct recipe_file *file;
	const struct elfnote *note;
	recipe_problem_fn *problem; /* NULL: the first one is the end */
	void *context;
};

/* ---- The other process ---- */

static size_t leave_text(struct outcome *o, const char *text)
{
	size_t size = strlen(text) + 1, at = o->used;

	if (size > TEXT_SIZE - at) {
		o->full = true;
		return 0;
	}
	memcpy(o->text + at, text, size);
	o->used += size;
	return at;
}

static void leave_problem(const char *why, void *context)
{
	struct outcome *o = context;

	leave_text(o, why);
	o->problems += !o->full;
}

static void leave_sites(struct outcome *o, const struct recipe_sites *sites)
{
	o->any = true;
	o->sites = *sites;
	for (size_t i = 0; i < sites->rules_count; i++)
		o->functions[i] = leave_text(o, sites->rules[i].function);
}

static bool lower(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return false;
	if (limit.rlim_max > most + 1)
		limit.rlim_max = most + 1;
	if (limit.rlim_cur > most)
		limit.rlim_cur = most;
	return !setrlimit(resource, &limit);
}

static bool limit_time(void)
{
	const struct itimerval end = { .it_value.tv_sec = TIME_S };

	return signal(SIGALRM, SIG_DFL) != SIG_ERR && !setitimer(ITIMER_REAL, &end, NULL) &&
	       lower(RLIMIT_CPU, CPU_S);
}

/* Beside the file, for which there is a place, whatever of it is read. */
static bool limit_memory(const struct question *q)
{
	struct stat st;

	return !fstat(q->file->fd, &st) && lower(RLIMIT_AS, MEMORY + (rlim_t)st.st_size);
}

static bool set_limits(const struct question *q)
{
	/* Who looks into our memory has terabytes of it. */
	return lower(RLIMIT_CORE, 0) && (q->problem || limit_time()) &&
	       (reader_is_thread() || limit_memory(q));
}

/* That of memory, and not one that was there. */
static bool is_at_limit(const struct outcome *o)
{
	struct rlimit limit;

	return o->err == -ENOMEM && !o->full && !getrlimit(RLIMIT_AS, &limit) &&
	       limit.rlim_cur > MEMORY && limit.rlim_cur != RLIM_INFINITY;
}

static void answer(const struct question *q, struct outcome *o)
{
	struct recipe_sites *sites = NULL;

	if (q->problem)
		o->err = recipe_sites_check(q->recipes, q->file, q->note, &sites, o->why,
					    sizeof(o->why), leave_problem, o);
	else
		o->err = recipe_sites_find(q->recipes, q->file, q->note, &sites, o->why,
					   sizeof(o->why));
	if (sites)
		leave_sites(o, sites);
	if (o->full)
		o->err = -ENOMEM;
}

/* ---- Here ---- */

static uint64_t ns_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u;
}

/* 0: it has answered; -errno. */
static int await(pid_t pid)
{
	struct rusage usage;
	int status;

	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -errno;
	cpu_time_add_here(ns_of(&usage.ru_utime) + ns_of(&usage.ru_stime));
	return status ? -EUCLEAN : 0;
}

static int ask(const struct question *q, struct outcome *o)
{
	pid_t parent = getpid(), pid;

	/* Whoever has begun us may have left it ignored, and then nothing is told of an end. */
	signal(SIGCHLD, SIG_DFL);
	pid = fork();
	/* Of processes there may be no more than of memory. */
	if (pid < 0)
		return -ENOMEM;
	if (pid)
		return await(pid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || !set_limits(q))
		_exit(1);
	/* A library that gives up says so, and that means nothing to anybody. */
	if (!reader_is_thread())
		close(STDERR_FILENO);
	answer(q, o);
	_exit(is_at_limit(o) ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int take_sites(const struct outcome *o, struct recipe_sites **out)
{
	struct recipe_sites *sites = malloc(sizeof(*sites));

	if (!sites)
		return -ENOMEM;
	*sites = o->sites;
	sites->rules_count = 0;
	while (sites->rules_count < o->sites.rules_count) {
		size_t i = sites->rules_count;

		sites->rules[i].function = strdup(o->text + o->functions[i]);
		if (!sites->rules[i].function) {
			recipe_sites_free(sites);
			return -ENOMEM;
		}
		sites->rules_count++;
	}
	*out = sites;
	return 0;
}

static void tell_problems(const struct question *q, const struct outcome *o)
{
	const char *line = o->text;

	for (size_t i = 0; i < o->problems; i++) {
		q->problem(line, q->context);
		line += strlen(line) + 1;
	}
}

static int take(const struct question *q, const struct outcome *o, struct recipe_sites **out,
		char *why, size_t why_size)
{
	int err = o->any && !o->full ? take_sites(o, out) : 0;

	tell_problems(q, o);
	err = err ? err : o->err;
	if (err)
		snprintf(why, why_size, "%s", *o->why ? o->why : "out of memory");
	return err;
}

static int find(const struct question *q, struct recipe_sites **out, char *why, size_t why_size)
{
	struct outcome *o;
	int err;

	*out = NULL;
	/* Most files are none. */
	if (!recipe_target_of(q->recipes, q->file))
		return 0;
	o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	err = o == MAP_FAILED ? -errno : ask(q, o);
	if (err == -EUCLEAN)
		snprintf(
			why, why_size,
			"%s: to read it took more than %d s of CPU time, or %llu GiB of memory, or "
			"failed: name USDT probes, or no debug information",
			q->file->path, CPU_S, MEMORY >> 30);
	else if (err)
		snprintf(why, why_size, "%s cannot be read in a process of its own: %s",
			 q->file->path, strerror(-err));
	else
		err = take(q, o, out, why, why_size);
	if (o != MAP_FAILED)
		munmap(o, sizeof(*o));
	return err;
}

int recipe_apart_find(const struct recipes *recipes, const struct recipe_file *file,
		      const struct elfnote *note, struct recipe_sites **out, char *why,
		      size_t why_size)
{
	const struct question q = { .recipes = recipes, .file = file, .note = note };

	return find(&q, out, why, why_size);
}

int recipe_apart_check(const struct recipes *recipes, const struct recipe_file *file,
		       const struct elfnote *note, struct recipe_sites **out, char *why,
		       size_t why_size, recipe_problem_fn *problem, void *context)
{
	const struct question q = { recipes, file, note, problem, context };

	return find(&q, out, why, why_size);
}
