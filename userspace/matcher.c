/* SPDX-License-Identifier: MIT */
#include "matcher.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "cgroup_id.h"
#include "discover.h"

enum verdict { WANTED, UNWANTED, UNDECIDED };

struct decided {
	struct pb_process_key process;
	UT_hash_handle hh;
	bool wanted;
	bool asked; /* since the last sweep */
};

struct matcher {
	struct matcher_options options;
	struct decided *decided;
	uint64_t undecided;
};

static bool any(const char *const *patterns)
{
	return patterns && *patterns;
}

struct matcher *matcher_new(const struct matcher_options *options)
{
	struct matcher *m;

	errno = 0;
	if (!any(options->names) && !any(options->cgroups) && !any(options->excludes))
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m)
		m->options = *options;
	else
		errno = ENOMEM;
	return m;
}

static void forget(struct matcher *m, struct decided *d)
{
	HASH_DEL(m->decided, d);
	free(d);
}

void matcher_free(struct matcher *m)
{
	struct decided *d, *next;

	if (!m)
		return;
	HASH_ITER (hh, m->decided, d, next)
		forget(m, d);
	free(m);
}

/* ---- Patterns ---- */

static bool is_path(const char *pattern)
{
	return strchr(pattern, '/') != NULL;
}

static bool matches_any(const char *const *patterns, const char *text)
{
	for (; patterns && *patterns; patterns++) {
		if (!fnmatch(*patterns, text, 0))
			return true;
	}
	return false;
}

static bool excludes(const struct matcher *m, const char *text, bool paths)
{
	for (const char *const *p = m->options.excludes; p && *p; p++) {
		if (is_path(*p) == paths && !fnmatch(*p, text, 0))
			return true;
	}
	return false;
}

static bool excludes_by_path(const struct matcher *m)
{
	for (const char *const *p = m->options.excludes; p && *p; p++) {
		if (is_path(*p))
			return true;
	}
	return false;
}

static bool name_is_meant(const struct matcher *m, const char *name)
{
	return (!any(m->options.names) || matches_any(m->options.names, name)) &&
	       !excludes(m, name, false);
}

/* ---- What a process is ---- */

static int match_cgroup(const char *path, void *context)
{
	const struct matcher *m = context;

	return matches_any(m->options.cgroups, path);
}

/* Where it has been reaped, its events' cgroup may still be there. */
static enum verdict judge_cgroup(struct matcher *m, pid_t pid, uint64_t id)
{
	char path[CGROUP_PATH_SIZE];
	int found;

	if (!any(m->options.cgroups))
		return WANTED;
	found = discover_cgroups(pid, match_cgroup, m);
	if (found < 0 && id && !cgroup_id_path(id, path, sizeof(path)))
		found = match_cgroup(path, m);
	return found < 0 ? UNDECIDED : found ? WANTED : UNWANTED;
}

static enum verdict judge_executable(struct matcher *m, pid_t pid)
{
	char path[4096];

	if (!excludes_by_path(m))
		return WANTED;
	if (discover_executable(pid, path, sizeof(path)))
		return UNDECIDED;
	return excludes(m, path, true) ? UNWANTED : WANTED;
}

/* What is known not to be meant need not be known in all. */
static enum verdict judge(struct matcher *m, pid_t pid, const char *name, uint64_t cgroup_id)
{
	enum verdict cgroup, executable;

	if (!name_is_meant(m, name))
		return UNWANTED;
	cgroup = judge_cgroup(m, pid, cgroup_id);
	if (cgroup == UNWANTED)
		return UNWANTED;
	executable = judge_executable(m, pid);
	return executable == WANTED ? cgroup : executable;
}

bool matcher_admits(struct matcher *m, pid_t pid)
{
	char name[16];

	if (!m)
		return true;
	return !discover_name(pid, name, sizeof(name)) && judge(m, pid, name, 0) == WANTED;
}

/* Without memory it is decided again the next time. */
static bool remember(struct matcher *m, const struct pb_process_key *process, bool wanted)
{
	struct decided *d = calloc(1, sizeof(*d));

	if (!d)
		return false;
	*d = (struct decided){ .process = *process, .wanted = wanted, .asked = true };
	HASH_ADD(hh, m->decided, process, sizeof(d->process), d);
	if (d->hh.tbl)
		return true;
	free(d);
	return false;
}

bool matcher_wants(struct matcher *m, const struct record *record)
{
	const struct pb_process_key *process = &record->key.process;
	enum verdict verdict;
	struct decided *d;

	if (!m)
		return true;
	HASH_FIND(hh, m->decided, process, sizeof(*process), d);
	if (d) {
		d->asked = true;
		return d->wanted;
	}
	verdict = judge(m, (pid_t)process->tgid, record->process, record->cgroup_id);
	m->undecided += verdict == UNDECIDED;
	remember(m, process, verdict == WANTED);
	return verdict == WANTED;
}

void matcher_sweep(struct matcher *m)
{
	struct decided *d, *next;

	if (!m)
		return;
	HASH_ITER (hh, m->decided, d, next) {
		if (d->asked)
			d->asked = false;
		else
			forget(m, d);
	}
}

uint64_t matcher_undecided(const struct matcher *m)
{
	return m ? m->undecided : 0;
}

/* ---- From one agent to the next ---- */

static size_t count(const char *const *patterns)
{
	size_t n = 0;

	while (patterns && patterns[n])
		n++;
	return n;
}

static void save_patterns(struct keep_writer *w, const char *const *patterns)
{
	keep_number(w, count(patterns));
	for (; patterns && *patterns; patterns++)
		keep_text(w, *patterns);
}

void matcher_save(const struct matcher *m, struct keep_writer *w)
{
	if (!m)
		return;
	save_patterns(w, m->options.names);
	save_patterns(w, m->options.cgroups);
	save_patterns(w, m->options.excludes);
	keep_number(w, HASH_COUNT(m->decided));
	for (const struct decided *d = m->decided; d; d = d->hh.next) {
		keep_bytes(w, &d->process, sizeof(d->process));
		keep_number(w, d->wanted);
	}
}

static bool has_same(struct keep_reader *r, const char *const *patterns)
{
	bool same = keep_read(r) == count(patterns);

	for (; same && patterns && *patterns; patterns++)
		same = !strcmp(keep_read_text(r), *patterns);
	return same && !r->failed;
}

int matcher_load(struct matcher *m, struct keep_reader *r)
{
	size_t decided;

	/* Of an agent for which all were meant there is nothing here. */
	if (!m || !r->size)
		return 0;
	if (!has_same(r, m->options.names) || !has_same(r, m->options.cgroups) ||
	    !has_same(r, m->options.excludes))
		return keep_result(r);
	decided = keep_read_count(r);
	for (size_t i = 0; i < decided; i++) {
		struct pb_process_key process;
		bool wanted;

		keep_read_bytes(r, &process, sizeof(process));
		wanted = keep_read(r);
		if (r->failed)
			break;
		if (!remember(m, &process, wanted))
			return -ENOMEM;
	}
	return keep_result(r);
}
