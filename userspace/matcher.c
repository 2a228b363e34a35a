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
	d = calloc(1, sizeof(*d));
	if (!d)
		return verdict == WANTED;
	*d = (struct decided){ .process = *process, .wanted = verdict == WANTED, .asked = true };
	HASH_ADD(hh, m->decided, process, sizeof(d->process), d);
	if (!d->hh.tbl)
		free(d);
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
