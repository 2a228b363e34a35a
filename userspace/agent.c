/* SPDX-License-Identifier: MIT */
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "agent_ask.h"
#include "agent_keep.h"
#include "agent_start.h"
#include "agent_stats.h"
#include "attach.h"
#include "closes.h"
#include "drain.h"
#include "finder.h"
#include "guard.h"
#include "hit_cost.h"
#include "labels.h"
#include "model.h"
#include "msg.h"
#include "notify.h"
#include "recipe.h"
#include "rounds.h"
#include "sampler.h"
#include "silent.h"
#include "sinks.h"
#include "status.h"
#include "status_socket.h"
#include "unreached.h"

#define SECOND_NS 1000000000ull
#define POLL_NS   100000000ull /* how often sinks may retry */
/*
 * Series that have ended are kept for the next flush. Names are the consumers' to make up, as many
 * as they like, and an interval may be long: so many do not wait for its end.
 */
#define ENDED_MOST 8192
/* Of a core, for a file that a recipe names sites in. */
#define RECIPE_BUDGET 0.05
/* Those that are silent are said, in a line at most, so often. */
#define SAYING_NS 60000000000ull

struct agent {
	const struct agent_options *options;
	struct recipes *recipes; /* NULL: none */
	struct guard *guard;     /* NULL: nothing is too much */
	struct attach *attach;
	struct matcher *matcher; /* NULL: all are meant */
	struct finder *finder;
	struct drain *drain;
	struct closes *closes; /* NULL: nobody traces */
	struct model *model;
	struct labels *labels;
	struct sampler *sampler;
	struct silent *silent;     /* NULL: nobody asks */
	struct agent_keep *keep;   /* NULL: nothing outlives us */
	struct sink *const *sinks; /* while it runs */
	size_t sinks_count;
	struct unreached unreached;
	struct agent_stats stats;
	int signals;
	bool stopped; /* by one of them */
	bool confined;
	struct status_socket *socket; /* the caller's, or NULL */
	time_t since;
	uint64_t since_ns;
	uint64_t next_poll;   /* of the sinks, whether anything wakes them or not */
	uint64_t next_saying; /* of those that are silent */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* ---- What to attach to ---- */

static enum exit_status exit_of(int err)
{
	return err == -EPERM || err == -ENOTSUP ? EXIT_HOST : EXIT_FAILED;
}

static bool new_finder(struct agent *a)
{
	const struct agent_options *o = a->options;
	struct finder_options options = { .pids = o->pids,
					  .pids_count = o->pids_count,
					  .paths = o->paths,
					  .silent = a->silent,
					  .seldom = o->say_silent,
					  .recipes = a->recipes,
					  .idle_ns = o->idle_ns };

	a->matcher = matcher_new(&o->match);
	if (!a->matcher && errno)
		return false;
	options.matcher = a->matcher;
	a->finder = finder_new(&options, a->attach);
	return a->finder;
}

/* What a former agent has left. */
static int recall(struct agent *a, char *why)
{
	struct agent_keep_parts parts = { .pinned = attach_pinned(a->attach),
					  .drain = a->drain,
					  .model = a->model,
					  .labels = a->labels,
					  .matcher = a->matcher };

	return parts.pinned ? agent_keep_new(&a->keep, &parts, why) : 0;
}

static int new_guard(struct agent *a, char *why);

static enum exit_status build(struct agent *a, char *why)
{
	const struct agent_options *o = a->options;
	struct attach_options options = { .filter_processes = o->pids_count > 0,
					  .tell_execs = !o->pids_count,
					  .each_exec = !o->paths,
					  .no_multi = o->no_multi,
					  .trace = o->trace,
					  .pin_dir = o->pin_dir };
	struct attach_maps maps;
	enum exit_status status;
	int err;

	status = agent_start_check(why);
	if (!status)
		status = agent_start_recipes(&a->recipes, o->recipes, why);
	if (status)
		return status;
	options.recipes = a->recipes;
	options.pauses = a->recipes || o->budget > 0;
	a->labels = labels_new(o->tag_from, o->origin, why, ATTACH_WHY_SIZE);
	if (!a->labels)
		return EXIT_USAGE;
	a->signals = agent_start_signals(why);
	if (a->signals < 0)
		return EXIT_FAILED;
	err = attach_new(&a->attach, &options, why);
	if (err)
		return exit_of(err);
	attach_get_maps(a->attach, &maps);
	a->drain = drain_new(&maps);
	if (a->drain)
		drain_set_terse(a->drain);
	if (o->trace)
		a->closes = closes_new(&maps);
	a->model = model_new();
	if (a->model && o->unseen)
		model_set_unseen(a->model);
	a->sampler = sampler_new();
	if (o->find_silent)
		a->silent = silent_new();
	if (!new_finder(a) || (o->find_silent && !a->silent) || !a->drain || !a->model ||
	    !a->sampler || (o->trace && !a->closes)) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return EXIT_FAILED;
	}
	err = new_guard(a, why);
	if (!err)
		err = recall(a, why);
	if (!err)
		err = finder_start(a->finder, why);
	return err ? exit_of(err) : EXIT_DONE;
}

enum exit_status agent_new(struct agent **out, const struct agent_options *options, char *why)
{
	struct agent *a = calloc(1, sizeof(*a));
	enum exit_status status;

	*out = NULL;
	if (!a) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return EXIT_FAILED;
	}
	a->options = options;
	a->signals = -1;
	a->since = time(NULL);
	a->since_ns = now_ns();
	status = build(a, why);
	if (status) {
		agent_free(a);
	} else {
		agent_start_tell();
		agent_keep_tell(a->attach, a->options->paths);
		*out = a;
	}
	return status;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	agent_keep_free(a->keep);
	guard_free(a->guard);
	drain_free(a->drain);
	closes_free(a->closes);
	finder_free(a->finder);
	matcher_free(a->matcher);
	attach_free(a->attach);
	recipes_free(a->recipes);
	model_free(a->model);
	sampler_free(a->sampler);
	silent_free(a->silent);
	labels_free(a->labels);
	if (a->signals >= 0)
		close(a->signals);
	free(a);
}

void agent_describe(const struct agent *a, char *text, size_t size)
{
	size_t pids = a->options->pids_count;
	char who[32] = "all processes", since[64];

	if (pids)
		snprintf(who, sizeof(who), "%zu process%s", pids, pids == 1 ? "" : "es");
	agent_keep_age(a->keep, now_ns(), since, sizeof(since));
	snprintf(text, size, "%zu file%s, %zu sites, %s (%s)%s", attach_files(a->attach),
		 attach_files(a->attach) == 1 ? "" : "s", attach_sites(a->attach), who,
		 attach_is_multi(a->attach) ? "uprobe_multi" : "perf uprobes", since);
}

int agent_confine(struct agent *a, char *why)
{
	struct agent_start_confines confines = { .multi = attach_is_multi(a->attach),
						 .pins = a->options->pin_dir,
						 .no_seccomp = a->options->no_seccomp };
	int err = a->confined ? 0 : agent_start_confine(&confines, why);

	a->confined = !err;
	return err;
}

bool agent_was_stopped(const struct agent *a)
{
	return a->stopped;
}

/* ---- Drains and flushes ---- */

static int take(const struct record *record, void *context)
{
	struct agent *a = context;
	const char *tags;
	size_t i;

	if (!matcher_wants(a->matcher, record))
		return 1;
	tags = record->partly ? labels_of_part(a->labels, &record->key.process)
			      : labels_of(a->labels, &record->key.process);
	/* One that is not watched for a while has not ended. */
	for (i = 0; record->dead && !record->partly && i < a->sinks_count; i++) {
		if (a->sinks[i]->ops->ended)
			a->sinks[i]->ops->ended(a->sinks[i], record);
	}
	if (record->dead)
		closes_forget(a->closes, &record->key);
	silent_hear(a->silent, (pid_t)record->key.process.tgid);
	/* Out of memory: it is not sampled until the next drain. */
	sampler_add(a->sampler, record);
	return model_record(a->model, record, tags);
}

static int drain(struct agent *a, uint64_t now, enum drain_kind kind, char *why)
{
	int err;

	model_begin(a->model, now);
	sampler_begin(a->sampler);
	err = drain_run(a->drain, now, kind, take, a);
	sampler_end(a->sampler);
	model_end(a->model);
	a->stats.drain_ns = now_ns() - now;
	labels_sweep(a->labels);
	matcher_sweep(a->matcher);
	sinks_drained(a->sinks, a->sinks_count, a->model, now);
	if (err)
		snprintf(why, ATTACH_WHY_SIZE, "cannot read the kernel's maps: %s", strerror(-err));
	return err;
}

/* Its sites are gone. What they have told is taken, then they have told it. */
static void take_paused(int number, void *context)
{
	struct agent *a = context;
	char why[ATTACH_WHY_SIZE];
	uint64_t now = now_ns();

	if (drain(a, now, DRAIN_ALL, why))
		return;
	for (size_t i = 0; i < a->sinks_count; i++)
		if (a->sinks[i]->ops->pausing)
			a->sinks[i]->ops->pausing(a->sinks[i], a->model, now);
	drain_retire(a->drain, (uint32_t)number, now);
}

/* What costs too much is watched for a part of the time. */
static int new_guard(struct agent *a, char *why)
{
	double budget = a->options->budget;
	struct guard_options options = {
		.rules = { .share = budget > 0 ? budget : RECIPE_BUDGET },
		.own = budget > 0,
		.paused = take_paused,
		.context = a,
	};
	struct hit_cost cost;
	int err;

	if (budget <= 0 && !a->recipes)
		return 0;
	err = hit_cost_measure(&cost, why);
	if (err)
		return err;
	memcpy(options.rules.cost_ns, cost.ns, sizeof(options.rules.cost_ns));
	a->guard = guard_new(a->attach, &options);
	if (a->guard)
		return 0;
	snprintf(why, ATTACH_WHY_SIZE, "out of memory");
	return -ENOMEM;
}

static void count_stats(struct agent *a)
{
	a->stats.files_partly = guard_partly(a->guard);
	a->stats.part = guard_part(a->guard);
	agent_stats_count(&a->stats, a->drain, finder_watch(a->finder), a->attach,
			  matcher_undecided(a->matcher));
}

static void flush(struct agent *a, struct sink *const *sinks, size_t count, uint64_t now, bool last)
{
	size_t i;

	count_stats(a);
	silent_get(a->silent, now, &a->stats.silent);
	for (i = 0; i < count; i++)
		sinks[i]->ops->flush(sinks[i], a->model, &a->stats, now, last);
	if (!last)
		unreached_say(&a->unreached, sinks, count, now);
	model_next_interval(a->model);
}

static void forget_ended(struct agent *a, struct sink *const *sinks, size_t count, uint64_t now)
{
	size_t i;

	count_stats(a);
	for (i = 0; i < count; i++) {
		if (sinks[i]->ops->early)
			sinks[i]->ops->early(sinks[i], a->model, now);
		else
			sinks[i]->ops->flush(sinks[i], a->model, &a->stats, now, false);
	}
	model_next_interval(a->model);
}

static bool are_done(struct sink *const *sinks, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (sinks[i]->ops->done && sinks[i]->ops->done(sinks[i]))
			return true;
	}
	return false;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- Episodes, one by one ---- */

struct taking {
	struct agent *agent;
	int (*fn)(const struct pb_close *close, void *context);
	void *context;
};

static int take_close(const struct pb_close *close, void *context)
{
	const struct taking *t = context;
	struct record record = { .key = close->key, .cgroup_id = close->cgroup_id };

	memcpy(record.process, close->comm, sizeof(record.process) - 1);
	return matcher_wants(t->agent->matcher, &record) ? t->fn(close, t->context) : 0;
}

void agent_take_closes(struct agent *a, int (*fn)(const struct pb_close *close, void *context),
		       void *context)
{
	struct taking taking = { .agent = a, .fn = fn, .context = context };

	closes_take(a->closes, take_close, &taking);
}

int agent_closes_fd(const struct agent *a)
{
	return closes_fd(a->closes);
}

uint64_t agent_closes_untold(const struct agent *a)
{
	return closes_untold(a->closes);
}

/* ---- Being asked ---- */

void agent_answer(struct agent *a, struct status_socket *socket)
{
	a->socket = socket;
}

/* As of now, but for what the last drain has counted. NULL when out of memory. */
static json_t *status_now(void *context)
{
	struct agent *a = context;
	uint64_t now = now_ns();
	char watching[128];
	struct status s = {
		.started = a->since,
		.uptime_ns = now - a->since_ns,
		.interval_ns = a->options->interval_ns,
		.watching = watching,
		.stats = &a->stats,
		.sinks = a->sinks,
		.sinks_count = a->sinks_count,
	};

	agent_describe(a, watching, sizeof(watching));
	count_stats(a);
	silent_get(a->silent, now, &a->stats.silent);
	return status_object(&s);
}

/* Taken, it does not end the process when it is let through again. True if it is to end the run. */
static bool take_signal(struct agent *a)
{
	struct signalfd_siginfo taken;

	if (read(a->signals, &taken, sizeof(taken)) <= 0)
		return false;
	if (taken.ssi_signo == SIGUSR1)
		agent_ask_say(status_now(a));
	else
		a->stopped = true;
	return a->stopped;
}

static void warn(const char *why)
{
	if (*why)
		msg_warn("%s", why);
}

/*
 * Waits until `until`, or until a signal or a sink ends it (true). Samples and sinks get their turn
 * meanwhile; and once, though it is late: rounds may take longer than they are apart.
 */
static bool wait_until(struct agent *a, struct sink *const *sinks, size_t count, uint64_t until)
{
	struct pollfd fds[2 + FINDER_FDS + SINKS_FDS] = { { .fd = a->signals, .events = POLLIN } };
	char why[ATTACH_WHY_SIZE];
	struct sinks_wakers wakers;
	uint64_t now, next;

	do {
		struct timespec timeout;
		nfds_t used = 1 + FINDER_FDS, asked;
		bool woken;

		now = now_ns();
		notify_alive(now);
		next = earlier(until, earlier(a->next_poll, sampler_due(a->sampler)));
		next = earlier(next, finder_due(a->finder, now));
		next = earlier(next, guard_due(a->guard));
		finder_fds(a->finder, now, &fds[1]);
		used += sinks_gather(&wakers, sinks, count, &fds[used]);
		timeout = (struct timespec){ .tv_nsec = next > now ? (long)(next - now) : 0 };
		asked = used;
		used += status_socket_fds(a->socket, now, &fds[asked]);
		woken = ppoll(fds, used, &timeout, NULL) > 0;
		if (woken && fds[0].revents && take_signal(a))
			return true;
		now = now_ns();
		if (now >= finder_due(a->finder, now) ||
		    (woken && (fds[1].revents || fds[2].revents))) {
			finder_news(a->finder, why);
			warn(why);
		}
		/* What hits have cost goes by the time in which they came: not from before news were taken. */
		if (now >= guard_due(a->guard))
			guard_run(a->guard, now_ns());
		if (woken && asked < used && fds[asked].revents)
			agent_ask_poll(a->socket, now, status_now, a);
		if (now >= sampler_due(a->sampler))
			sampler_run(a->sampler, a->model, now);
		if (woken)
			sinks_poll_woken(&wakers, sinks, count, &fds[1 + FINDER_FDS], now);
		if (now >= a->next_poll) {
			sinks_poll(sinks, count, now);
			a->next_poll = now + POLL_NS;
		}
		if (are_done(sinks, count))
			return true;
	} while (now_ns() < until);
	return false;
}

/* There is no last drain where another agent goes on. */
static enum drain_kind kind_of(const struct agent *a, bool due, bool end)
{
	if (end && !a->keep)
		return DRAIN_LAST;
	return due || end ? DRAIN_ALL : DRAIN_COUNTS;
}

enum exit_status agent_run(struct agent *a, struct sink *const *sinks, size_t count, char *why)
{
	uint64_t now = now_ns();
	struct rounds rounds;
	bool end = false, failed = false;

	a->sinks = sinks;
	a->sinks_count = count;
	a->next_poll = now + POLL_NS;
	rounds_begin(&rounds, a->options->interval_ns, now);
	if (agent_confine(a, why))
		return EXIT_HOST;
	if (a->keep && agent_keep_load_sinks(a->keep, sinks, count, why))
		return EXIT_FAILED;
	model_begin(a->model, now);
	model_end(a->model);
	while (!end) {
		bool due;

		end = wait_until(a, sinks, count, rounds_due(&rounds));
		now = now_ns();
		due = rounds_flush_is_due(&rounds, now);
		end = end || (due && a->options->once) || finder_all_gone(a->finder);
		if (end)
			notify("STOPPING=1");
		failed = drain(a, now, kind_of(a, due, end), why);
		end |= failed;
		if (due || end)
			flush(a, sinks, count, now, end);
		else if (model_ended_series(a->model) > ENDED_MOST)
			forget_ended(a, sinks, count, now);
		agent_keep_round(a->keep, sinks, count, due || end, now);
		if (a->options->say_silent && now >= a->next_saying) {
			agent_ask_say_silent(a->silent, now);
			a->next_saying = now + SAYING_NS;
		}
		end |= are_done(sinks, count);
		if (!end) {
			finder_look(a->finder, why);
			warn(why);
		}
		rounds_next(&rounds, due, now_ns());
	}
	return failed ? EXIT_FAILED : EXIT_DONE;
}
