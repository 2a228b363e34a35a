/* SPDX-License-Identifier: MIT */
#include "agent_opts.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "discover.h"
#include "msg.h"

/* What runs every few minutes is counted from its first call. */
#define IDLE_NS 600000000000ull

int agent_settings_check(const struct agent_settings *s, char *why, size_t why_size)
{
	if (!s->all || (!s->pids.count && !s->paths.count))
		return 0;
	snprintf(why, why_size, "--all watches everything: leave out --pid and --path");
	return -EINVAL;
}

struct agent_options agent_settings_options(const struct agent_settings *s)
{
	return (struct agent_options){
		.pids = s->pids.items,
		.pids_count = s->pids.count,
		.paths = s->paths.items,
		.match = { .names = s->match_names.items,
			   .cgroups = s->match_cgroups.items,
			   .excludes = s->excludes.items },
		.recipes = s->recipe_files.items,
		.budget = s->budget,
		.idle_ns = s->idle_ns ? s->idle_ns : IDLE_NS,
		.interval_ns = s->interval_ns,
		.once = s->once,
		.no_multi = s->no_multi,
		.no_seccomp = s->no_seccomp,
	};
}

/* Blocked it would be taken, and nohup(1) is there so that it is not. */
static bool is_ignored(int number)
{
	struct sigaction action;

	return !sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN;
}

static sigset_t before;

static void block_signals(bool terminal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (!is_ignored(SIGHUP))
		sigaddset(&set, SIGHUP);
	if (terminal)
		sigaddset(&set, SIGQUIT);
	else
		sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &before);
}

/* A link or two per file or site; hosts have many, and what is usual is 1,024. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void agent_settings_prepare(bool terminal)
{
	block_signals(terminal);
	allow_many_files();
}

void agent_settings_release(void)
{
	sigprocmask(SIG_SETMASK, &before, NULL);
}

uint64_t *agent_settings_began(const struct agent_settings *s)
{
	uint64_t *began = calloc(s->pids.count + 1, sizeof(*began));

	for (size_t i = 0; began && i < s->pids.count; i++)
		began[i] = discover_start_time(s->pids.items[i]);
	return began;
}

void agent_settings_say_ended(const struct agent_settings *s, const uint64_t *began)
{
	for (size_t i = 0; i < s->pids.count; i++)
		if (!discover_is_running(s->pids.items[i], began[i]))
			msg_info("process %d has ended", s->pids.items[i]);
}
