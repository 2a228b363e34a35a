/* SPDX-License-Identifier: MIT */
/*
 * agent_opts.h - the options of every verb that runs the agent
 *
 * A verb's settings begin with a struct agent_settings, and its table with AGENT_OPTIONS_TARGETS.
 */
#ifndef AGENT_OPTS_H
#define AGENT_OPTS_H

#include "agent.h"
#include "opts.h"

struct agent_settings {
	struct option_pids pids;
	struct option_list paths;
	bool all;
	struct option_list match_names, match_cgroups, excludes;
	struct option_list recipe_files;
	double budget; /* of a core; 0: the usual */
	uint64_t idle_ns;
	uint64_t interval_ns;
	bool once;
	bool no_multi;
	bool no_seccomp;
	bool verbose;
};

#define AGENT_AT(field)      offsetof(struct agent_settings, field)
#define AGENT_INTERVAL_LEAST 100000000

/* clang-format off */
#define AGENT_OPTIONS_TARGETS \
	{ .name = "pid", .value = "PID", .kind = OPTION_PIDS, .offset = AGENT_AT(pids), \
	  .help = "watch this process; may be given again" }, \
	{ .name = "path", .value = "FILE", .kind = OPTION_LIST, .offset = AGENT_AT(paths), \
	  .help = "watch this executable or shared library in every process,\n" \
		  "now and later, with --pid in that one; may be given again" }, \
	{ .name = "all", .kind = OPTION_FLAG, .offset = AGENT_AT(all), \
	  .help = "watch every process with pushback probes (the default)" }, \
	AGENT_OPTIONS_HOW

/* Of verbs that are told otherwise whom to watch. */
#define AGENT_OPTIONS_HOW \
	AGENT_OPTIONS_MATCH(AGENT_AT(match_names), AGENT_AT(match_cgroups), AGENT_AT(excludes)), \
	{ .name = "budget", .value = "SHARE", .kind = OPTION_PERCENT, .offset = AGENT_AT(budget), \
	  .help = "of a core, for the probes of one file (with --recipe 5%,\n" \
		  "else any): what takes more is watched part of the time" }, \
	{ .name = "recipe", .value = "FILE", .kind = OPTION_LIST, .offset = AGENT_AT(recipe_files), \
	  .help = "watch consumers without our probes as this recipe says,\n" \
		  "see pushback recipe; may be given again" }, \
	{ .name = "let-go", .value = "TIME", .kind = OPTION_DURATION, .offset = AGENT_AT(idle_ns), \
	  .least = 1, .hidden = true, \
	  .help = "let go of a file that no process has mapped for TIME (10m)" }

/* Of verbs that do not run the agent, too. */
#define AGENT_OPTIONS_MATCH(names, cgroups, exclude) \
	{ .name = "match-name", .value = "GLOB", .kind = OPTION_LIST, .offset = (names), \
	  .filled = true, \
	  .help = "only processes of such a name; may be given again" }, \
	{ .name = "match-cgroup", .value = "GLOB", .kind = OPTION_LIST, .offset = (cgroups), \
	  .filled = true, \
	  .help = "only those in such a cgroup, as '*/docker-*'; may be\n" \
		  "given again" }, \
	{ .name = "exclude", .value = "GLOB", .kind = OPTION_LIST, .offset = (exclude), \
	  .filled = true, \
	  .help = "none of such a name or, with a / in it, of such an\n" \
		  "executable; may be given again" }

#define AGENT_OPTIONS_INTERVAL(text) \
	{ .name = "interval", .value = "TIME", .kind = OPTION_DURATION, \
	  .offset = AGENT_AT(interval_ns), .least = AGENT_INTERVAL_LEAST, .help = (text) }

#define AGENT_OPTIONS_ONCE(text) \
	{ .name = "once", .kind = OPTION_FLAG, .offset = AGENT_AT(once), .help = (text) }

#define AGENT_OPTIONS_REST \
	{ .name = "no-multi", .kind = OPTION_FLAG, .offset = AGENT_AT(no_multi), \
	  .help = "one perf uprobe per site, as before Linux 6.6" }, \
	{ .name = "no-seccomp", .kind = OPTION_FLAG, .offset = AGENT_AT(no_seccomp), \
	  .help = "without the filter of system calls, as under valgrind" }, \
	{ .name = "verbose", .kind = OPTION_FLAG, .offset = AGENT_AT(verbose), \
	  .help = "say what libbpf and the kernel say" }, \
	{ .name = "help", .kind = OPTION_FLAG, .offset = AGENT_AT(verbose), .help = "this text" }
/* clang-format on */

/* 0, or -EINVAL with one line in `why`. */
int agent_settings_check(const struct agent_settings *s, char *why, size_t why_size);
/* What the agent is to do; points into the settings. */
struct agent_options agent_settings_options(const struct agent_settings *s);

/*
 * What a process needs that runs the agent, before it starts a thread: the signals that end it
 * blocked (SIGHUP not if it is ignored, SIGQUIT only with `terminal`; without it SIGUSR1, that is no
 * end), and room for many files.
 */
void agent_settings_prepare(bool terminal);
/* Once nothing is attached any more: signals end the process again, as they do any other. */
void agent_settings_release(void);

/*
 * When the processes of --pid began, so that a number that is given again is not taken for them. To be
 * freed; NULL when out of memory.
 */
uint64_t *agent_settings_began(const struct agent_settings *s);
/* Says on stderr which of them have ended: that is why there is no more to be seen. */
void agent_settings_say_ended(const struct agent_settings *s, const uint64_t *began);

#endif /* AGENT_OPTS_H */
