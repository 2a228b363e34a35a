/* SPDX-License-Identifier: MIT */
#include "agent_opts.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

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
		.interval_ns = s->interval_ns,
		.once = s->once,
		.no_multi = s->no_multi,
	};
}

/* Blocked it would be taken, and nohup(1) is there so that it is not. */
static bool is_ignored(int number)
{
	struct sigaction action;

	return !sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN;
}

static sigset_t before;

static void block_signals(bool hangup)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (hangup && !is_ignored(SIGHUP))
		sigaddset(&set, SIGHUP);
	if (hangup)
		sigaddset(&set, SIGQUIT);
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

void agent_settings_prepare(bool hangup)
{
	block_signals(hangup);
	allow_many_files();
}

void agent_settings_release(void)
{
	sigprocmask(SIG_SETMASK, &before, NULL);
}
