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

#include "attach.h"
#include "drain.h"
#include "finder.h"
#include "labels.h"
#include "model.h"
#include "msg.h"
#include "sampler.h"
#include "silent.h"
#include "sinks.h"

#define SECOND_NS 1000000000ull
#define POLL_NS   100000000ull /* how often sinks may retry */
/*
 * Series that have ended are kept for the next flush. Names are the consumers' to make up, as many
 * as they like, and an interval may be long: so many do not wait for its end.
 */
#define ENDED_MOST 8192

struct agent {
	const struct agent_options *options;
	struct attach *attach;
	struct matcher *matcher; /* NULL: all are meant */
	struct finder *finder;
	struct drain *drain;
	struct model *model;
	struct labels *labels;
	struct sampler *sampler;
	struct silent *silent;     /* NULL: nobody asks */
	struct sink *const *sinks; /* while it runs */
	size_t sinks_count;
	struct agent_stats stats;
	int signals;
	bool stopped; /* by one of them */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* ---- What to attach to ---- */

static enum exit_status status_of(int err)
{
	return err == -EPERM || err == -ENOTSUP ? EXIT_HOST : EXIT_FAILED;
}

static int open_signals(struct agent *a, char *why)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a->signals >= 0)
		return 0;
	snprintf(why, ATTACH_WHY_SIZE, "cannot wait for signals: %s", strerror(errno));
	return -errno;
}

static bool new_finder(struct agent *a)
{
	const struct agent_options *o = a->options;
	struct finder_options options = { .pids = o->pids,
					  .pids_count = o->pids_count,
					  .paths = o->paths,
					  .silent = a->silent,
					  .idle_ns = o->idle_ns };

	a->matcher = matcher_new(&o->match);
	if (!a->matcher && errno)
		return false;
	options.matcher = a->matcher;
	a->finder = finder_new(&options, a->attach);
	return a->finder;
}

static enum exit_status build(struct agent *a, char *why)
{
	const struct agent_options *o = a->options;
	struct attach_options options = { .filter_processes = o->pids_count > 0,
					  .tell_execs = !o->pids_count,
					  .no_multi = o->no_multi };
	struct attach_maps maps;
	int err;

	a->labels = labels_new(o->tag_from, o->origin, why, ATTACH_WHY_SIZE);
	if (!a->labels)
		return EXIT_USAGE;
	if (open_signals(a, why))
		return EXIT_FAILED;
	err = attach_new(&a->attach, &options, why);
	if (err)
		return status_of(err);
	attach_get_maps(a->attach, &maps);
	a->drain = drain_new(&maps);
	a->model = model_new();
	a->sampler = sampler_new();
	if (o->find_silent)
		a->silent = silent_new();
	if (!new_finder(a) || (o->find_silent && !a->silent) || !a->drain || !a->model ||
	    !a->sampler) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return EXIT_FAILED;
	}
	err = finder_start(a->finder, why);
	return err ? status_of(err) : EXIT_DONE;
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
	status = build(a, why);
	if (status)
		agent_free(a);
	else
		*out = a;
	return status;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	drain_free(a->drain);
	finder_free(a->finder);
	matcher_free(a->matcher);
	attach_free(a->attach);
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
	char who[32] = "all processes";

	if (pids)
		snprintf(who, sizeof(who), "%zu process%s", pids, pids == 1 ? "" : "es");
	snprintf(text, size, "%zu file%s, %zu sites, %s (%s)", attach_files(a->attach),
		 attach_files(a->attach) == 1 ? "" : "s", attach_sites(a->attach), who,
		 attach_is_multi(a->attach) ? "uprobe_multi" : "perf uprobes");
}

bool agent_was_stopped(const struct agent *a)
{
	return a->stopped;
}

/* ---- Drains and flushes ---- */

static int take(const struct record *record, void *context)
{
	struct agent *a = context;
	size_t i;

	if (!matcher_wants(a->matcher, record))
		return 0;
	for (i = 0; record->dead && i < a->sinks_count; i++) {
		if (a->sinks[i]->ops->ended)
			a->sinks[i]->ops->ended(a->sinks[i], record);
	}
	silent_hear(a->silent, (pid_t)record->key.process.tgid);
	/* Out of memory: it is not sampled until the next drain. */
	sampler_add(a->sampler, record);
	return model_record(a->model, record, labels_of(a->labels, &record->key.process));
}

/* As many as agent_stats can hold; a reason that never occurred is left out. */
static void add_lost(struct agent_stats *stats, size_t *used, const char *reason, uint64_t count)
{
	size_t most = sizeof(stats->lost) / sizeof(stats->lost[0]) - 1;

	if (!count || *used >= most)
		return;
	stats->lost[*used].reason = reason;
	stats->lost[*used].count = count;
	stats->lost[++*used].reason = NULL;
}

static void count_stats(struct agent *a)
{
	struct agent_stats *stats = &a->stats;
	struct watch_skipped skipped;
	unsigned int reason;
	size_t used = 0;

	watch_get_skipped(finder_watch(a->finder), &skipped);
	stats->lost[0].reason = NULL;
	for (reason = 0; reason < DRAIN_LOSSES; reason++)
		add_lost(stats, &used, drain_loss_name(reason), drain_lost(a->drain, reason));
	add_lost(stats, &used, "note_dead", skipped.dead_notes);
	add_lost(stats, &used, "note_duplicate", skipped.duplicate_notes);
	add_lost(stats, &used, "note_malformed", skipped.malformed_notes);
	add_lost(stats, &used, "note_unknown", skipped.unknown_probes);
	add_lost(stats, &used, "note_too_many", skipped.too_many_sites);
	add_lost(stats, &used, "file_damaged", skipped.bad_files);
	add_lost(stats, &used, "file_skipped", skipped.files);
	add_lost(stats, &used, "file_changed", skipped.changed);
	add_lost(stats, &used, "process_undecided", matcher_undecided(a->matcher));
	stats->steps = drain_steps(a->drain);
	stats->processes = drain_processes(a->drain);
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

static void flush(struct agent *a, struct sink *const *sinks, size_t count, uint64_t now, bool last)
{
	size_t i;

	count_stats(a);
	silent_get(a->silent, now, &a->stats.silent);
	for (i = 0; i < count; i++)
		sinks[i]->ops->flush(sinks[i], a->model, &a->stats, now, last);
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

/* Taken, it does not end the process when it is let through again. */
static bool take_signal(struct agent *a)
{
	struct signalfd_siginfo taken;

	a->stopped = read(a->signals, &taken, sizeof(taken)) > 0;
	return a->stopped;
}

static void warn(const char *why)
{
	if (*why)
		msg_warn("%s", why);
}

/*
 * Waits until `until`, or until a signal or a sink ends it (true). Samples and sinks get their turn
 * meanwhile.
 */
static bool wait_until(struct agent *a, struct sink *const *sinks, size_t count, uint64_t until)
{
	struct pollfd fds[1 + FINDER_FDS + SINKS_FDS] = { { .fd = a->signals, .events = POLLIN } };
	char why[ATTACH_WHY_SIZE];
	uint64_t now, next, next_poll = now_ns() + POLL_NS;
	struct sinks_wakers wakers;

	while ((now = now_ns()) < until) {
		struct timespec timeout;
		nfds_t used = 1 + FINDER_FDS;
		bool woken;

		next = earlier(until, earlier(next_poll, sampler_due(a->sampler)));
		next = earlier(next, finder_due(a->finder, now));
		finder_fds(a->finder, now, &fds[1]);
		used += sinks_gather(&wakers, sinks, count, &fds[used]);
		timeout = (struct timespec){ .tv_nsec = next > now ? (long)(next - now) : 0 };
		woken = ppoll(fds, used, &timeout, NULL) > 0;
		if (woken && fds[0].revents)
			return take_signal(a);
		now = now_ns();
		if (now >= finder_due(a->finder, now) ||
		    (woken && (fds[1].revents || fds[2].revents))) {
			finder_news(a->finder, why);
			warn(why);
		}
		if (now >= sampler_due(a->sampler))
			sampler_run(a->sampler, a->model, now);
		if (woken)
			sinks_poll_woken(&wakers, sinks, count, &fds[1 + FINDER_FDS], now);
		if (now >= next_poll) {
			sinks_poll(sinks, count, now);
			next_poll = now + POLL_NS;
		}
		if (are_done(sinks, count))
			return true;
	}
	return false;
}

enum exit_status agent_run(struct agent *a, struct sink *const *sinks, size_t count, char *why)
{
	uint64_t interval = a->options->interval_ns;
	uint64_t period = interval < SECOND_NS ? interval : SECOND_NS;
	uint64_t now = now_ns(), next_flush = now + interval, next_drain = now + period;
	/* One more, soon: samples are taken of the steps that a drain has shown. */
	uint64_t first = now + earlier(period, POLL_NS);
	bool end = false, failed = false;

	a->sinks = sinks;
	a->sinks_count = count;
	model_begin(a->model, now);
	model_end(a->model);
	while (!end) {
		bool due;

		end = wait_until(a, sinks, count, earlier(first, earlier(next_drain, next_flush)));
		now = now_ns();
		first = UINT64_MAX;
		due = now >= next_flush;
		end = end || (due && a->options->once) || finder_all_gone(a->finder);
		failed = drain(a, now, end ? DRAIN_LAST : due ? DRAIN_ALL : DRAIN_COUNTS, why);
		end |= failed;
		if (due || end)
			flush(a, sinks, count, now, end);
		else if (model_ended_series(a->model) > ENDED_MOST)
			forget_ended(a, sinks, count, now);
		end |= are_done(sinks, count);
		if (!end) {
			finder_look(a->finder, why);
			warn(why);
		}
		/* A late round is not made up for: counts are cumulative. */
		while (next_drain <= now)
			next_drain += period;
		while (next_flush <= now)
			next_flush += interval;
	}
	return failed ? EXIT_FAILED : EXIT_DONE;
}
