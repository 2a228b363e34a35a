/* SPDX-License-Identifier: MIT */
#include "finder.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cpu_time.h"
#include "debts.h"
#include "execs.h"
#include "recipe_target.h"
#include "target.h"

/* Of a core, at most, that looks take, and news; beside what single users pay themselves. */
#define PART     DEBTS_PART
#define LONG_NS  250000ull      /* to look at a process: more is for its user to pay */
#define TURN_NS  250000000ull   /* of a look at once: nothing is drained meanwhile */
#define START_NS 10000000000ull /* the first time, nothing is to be drained yet */
#define LOOK_NS  900000000ull   /* between two looks: each drain's, which come a second apart */
#define NEWS_NS  20000000ull    /* between two times that news are taken */
#define BATCH_NS 5000000ull     /* of news at a time */
/* Who waits longest for a file that was written to while others write all the time. */
#define WRITTEN_NS 1000000000ull
/* A process that has begun maps its libraries next: then it is looked at once more. */
#define SETTLED_NS 150000000ull
/* Those that may be silent, where nobody waits for them: no more often than this, and no more of a core. */
#define MEETING_NS   10000000000ull
#define MEETING_PART 1000
#define YOUNG_MOST   64 /* so many; of more in that time, it is a look at all */

struct finder {
	struct finder_options options;
	struct attach *attach;
	struct watch *watch;
	struct execs *execs;
	uint64_t *started;              /* of `pids`: a number is used again, a start time is not */
	uint64_t may_look;              /* a look may come from then on */
	uint64_t next_look;             /* and is to come */
	uint64_t next_meeting;          /* with those that may be silent */
	uint64_t may_news;              /* news may be taken from then on */
	uint64_t may_written;           /* and words of files that were written to */
	uint64_t news_began, cpu_began; /* of the present batch */
	uint64_t turn_ns;               /* of a CPU, for a turn of a look */
	uint64_t took;                  /* the present look, so far */
	struct debts debts;
	uid_t user;       /* of the process that is looked at */
	uint64_t charged; /* of the present turn or batch, to users */
	bool meeting;     /* it is one, as is_meeting() */
	/* Those that have begun, in this order, from `first_young` on. */
	struct young {
		pid_t pid;
		uint64_t due;
	} young[YOUNG_MOST];
	size_t first_young, young_count;
	uint64_t began;
	/* Of the present call. */
	char *why;
	bool failed;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void meet(pid_t pid, void *context)
{
	struct finder *f = context;

	if (f->options.silent && matcher_admits(f->options.matcher, pid))
		silent_meet(f->options.silent, pid, now_ns());
}

static bool admits(pid_t pid, void *context)
{
	const struct finder *f = context;

	return matcher_admits(f->options.matcher, pid);
}

/* At the start all are looked at, since nobody is drained. */
static bool waits(pid_t pid, uint64_t before, void *context)
{
	struct finder *f = context;

	/* One that has ended is nobody's. */
	if (discover_user(pid, &f->user))
		f->user = (uid_t)-1;
	return f->turn_ns != START_NS &&
	       debts_must_wait(&f->debts, f->user, pid, before >= LONG_NS, now_ns());
}

static void took(uint64_t ns, void *context)
{
	struct finder *f = context;

	if (f->turn_ns != START_NS && ns >= LONG_NS &&
	    debts_charge(&f->debts, f->user, ns, now_ns()))
		f->charged += ns;
}

struct finder *finder_new(const struct finder_options *options, struct attach *attach)
{
	struct finder *f = calloc(1, sizeof(*f));
	struct attach_maps maps;
	struct watch_options watch = {
		.meet = meet,
		.waits = waits,
		.took = took,
		.context = f,
		.idle_ns = options->idle_ns,
		.recipes = options->recipes,
	};

	if (!f)
		return NULL;
	f->options = *options;
	f->attach = attach;
	f->began = now_ns();
	/* Of what is told of by name it is the files that were asked for. */
	if (options->matcher && !options->pids_count && !options->paths)
		watch.admits = admits;
	attach_get_maps(attach, &maps);
	/* Without, the looks find it all, later. */
	f->execs = execs_new(maps.execs);
	f->watch = watch_new(attach, &watch);
	f->started = calloc(options->pids_count + 1, sizeof(*f->started));
	if (f->watch && f->started)
		return f;
	finder_free(f);
	return NULL;
}

void finder_free(struct finder *f)
{
	if (!f)
		return;
	execs_free(f->execs);
	watch_free(f->watch);
	free(f->started);
	free(f);
}

const struct watch *finder_watch(const struct finder *f)
{
	return f->watch;
}

/* ---- At the start ---- */

static int attach_paths(struct finder *f, char *why)
{
	const char *const *path;
	int err;

	for (path = f->options.paths; *path; path++) {
		err = watch_path(f->watch, *path, why);
		if (err)
			return err;
	}
	return 0;
}

/* Before any of their events can come: those of the same binary are attached all at once. */
static int let_through(struct finder *f, char *why)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < f->options.pids_count; i++)
		err = attach_process(f->attach, f->options.pids[i], why);
	return err;
}

/* Why nothing of it is watched. */
static void explain(const struct finder *f, pid_t pid, int n, char *why)
{
	if (n || !f->options.recipes)
		target_explain_process(pid, n ? n : -ENODATA, why, ATTACH_WHY_SIZE);
	else
		recipe_target_explain_process(f->options.recipes, pid, why, ATTACH_WHY_SIZE);
}

static int attach_pids(struct finder *f, char *why)
{
	size_t i;
	int n;

	for (i = 0; i < f->options.pids_count; i++) {
		pid_t pid = f->options.pids[i];

		f->started[i] = discover_start_time(pid);
		if (!discover_is_running(pid, f->started[i]))
			n = -ESRCH;
		else if (f->options.paths)
			n = 1;
		else
			n = watch_process(f->watch, pid, why);
		if (n == -ESRCH || (n == 0 && !why[0]))
			explain(f, pid, n, why);
		if (n <= 0)
			return n ? n : -ENODATA;
	}
	return 0;
}

/* ---- A look ---- */

/* Whether this look is one at which all are met, so that the others can be forgotten. */
static bool is_meeting(const struct finder *f)
{
	return f->options.silent &&
	       (!f->options.paths || !f->options.seldom || now_ns() >= f->next_meeting);
}

/*
 * Files that were given are attached whoever maps them: that is looked for here, through all of /proc,
 * where it matters.
 */
static void meet_those_of_paths(struct finder *f, bool meeting)
{
	size_t i, count = f->options.pids_count;

	for (i = 0; meeting && i < count; i++)
		watch_meet(f->watch, f->options.pids[i], f->turn_ns);
	if ((meeting && !count) || watch_has_replaced(f->watch) || watch_is_under_way(f->watch))
		watch_meet(f->watch, 0, f->turn_ns);
}

static void look_at_paths(struct finder *f)
{
	const char *const *path;

	for (path = f->options.paths; *path; path++)
		watch_path_again(f->watch, *path);
}

/* What came since: libraries that were opened, processes that were started, files replaced. */
static int look_for_new(struct finder *f, bool meeting, char *why)
{
	size_t i;
	int n;

	if (f->options.paths) {
		look_at_paths(f);
		meet_those_of_paths(f, meeting);
		return 0;
	}
	if (!f->options.pids_count) {
		n = watch_everything(f->watch, f->turn_ns, why);
		return n < 0 ? n : 0;
	}
	for (i = 0; i < f->options.pids_count; i++) {
		if (!discover_is_running(f->options.pids[i], f->started[i]))
			continue;
		n = watch_process(f->watch, f->options.pids[i], why);
		if (n < 0 && n != -ESRCH)
			return n;
	}
	return 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool is_mapped(const struct file_id *id, void *context)
{
	const struct finder *f = context;

	return watch_maps(f->watch, id);
}

/* What a former agent had attached and nobody maps: at once what nobody can start, the rest in its time. */
static void let_go_of_left(struct finder *f, uint64_t now)
{
	uint64_t idle = f->options.idle_ns;

	if (!f->options.paths && !f->options.pids_count)
		attach_let_go(f->attach, idle && now - f->began >= idle, is_mapped, f);
}

/* What all have to wait for. */
static uint64_t taken_since(const struct finder *f, uint64_t cpu)
{
	uint64_t all = cpu_time_here() - cpu;

	return all > f->charged ? all - f->charged : 0;
}

static int look(struct finder *f, char *why)
{
	uint64_t began = now_ns(), cpu = cpu_time_here(), taken;
	int err;

	if (!watch_is_under_way(f->watch)) {
		f->meeting = is_meeting(f);
		f->took = 0;
		debts_begin_round(&f->debts);
	}
	f->charged = 0;
	watch_begin(f->watch);
	err = look_for_new(f, f->meeting, why);
	if (!err && !watch_is_under_way(f->watch)) {
		watch_end(f->watch, began);
		let_go_of_left(f, began);
	}
	taken = taken_since(f, cpu);
	f->took += taken;
	/* One that failed at once has met nobody. */
	if (!err && f->meeting && !watch_is_under_way(f->watch)) {
		silent_end_look(f->options.silent);
		f->next_meeting = began + later(f->took * MEETING_PART, MEETING_NS);
	}
	f->may_look = began + taken * PART;
	f->next_look = later(began + LOOK_NS, f->may_look);
	return err;
}

void finder_look(struct finder *f, char *why)
{
	why[0] = '\0';
	if (now_ns() >= f->next_look && !look(f, why))
		why[0] = '\0';
}

int finder_start(struct finder *f, char *why)
{
	int err = let_through(f, why);

	f->turn_ns = START_NS;
	if (!err && f->options.paths)
		err = attach_paths(f, why);
	if (!err && f->options.pids_count)
		err = attach_pids(f, why);
	if (!err && !f->options.paths && !f->options.pids_count)
		err = look(f, why);
	f->turn_ns = TURN_NS;
	return err;
}

bool finder_all_gone(struct finder *f)
{
	size_t i, gone = 0;

	for (i = 0; i < f->options.pids_count; i++) {
		if (discover_is_running(f->options.pids[i], f->started[i]))
			continue;
		attach_drop_process(f->attach, f->options.pids[i]);
		gone++;
	}
	return f->options.pids_count && gone == f->options.pids_count;
}

/* ---- News ---- */

void finder_fds(const struct finder *f, uint64_t now, struct pollfd *fds)
{
	fds[0] = (struct pollfd){ .fd = now < f->may_written ? -1 : watch_written_fd(f->watch),
				  .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = now < f->may_news ? -1 : execs_fd(f->execs),
				  .events = POLLIN };
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t finder_due(const struct finder *f, uint64_t now)
{
	uint64_t due = f->next_look ? f->next_look : UINT64_MAX;
	uint64_t young = f->young_count ? f->young[f->first_young].due : UINT64_MAX;

	/* Execs and writes wake by themselves, once they may. */
	if (now < f->may_written)
		due = earlier(due, f->may_written);
	if (now < f->may_news)
		return earlier(due, f->may_news);
	return earlier(due, young);
}

/* The next look comes soon, or as soon as it may. */
static void look_soon(struct finder *f, uint64_t now)
{
	f->next_look = earlier(f->next_look, later(now + SETTLED_NS, f->may_look));
}

static void take_young(struct finder *f)
{
	/* No more than there is time for: what is left is due at once. */
	while (f->young_count && f->young[f->first_young].due <= f->news_began &&
	       cpu_time_here() - f->cpu_began < BATCH_NS) {
		struct young *young = &f->young[f->first_young];

		f->first_young = (f->first_young + 1) % YOUNG_MOST;
		f->young_count--;
		f->failed |= watch_news(f->watch, young->pid, false, f->why) != 0;
	}
}

static void add_young(struct finder *f, pid_t pid)
{
	if (f->young_count == YOUNG_MOST) {
		look_soon(f, f->news_began);
		return;
	}
	f->young[(f->first_young + f->young_count++) % YOUNG_MOST] =
		(struct young){ .pid = pid, .due = f->news_began + SETTLED_NS };
}

/* Where it is paths that are watched, that there was any is enough. */
static int take(pid_t pid, void *context)
{
	struct finder *f = context;

	if (!f->options.paths) {
		f->failed |= watch_news(f->watch, pid, true, f->why) != 0;
		add_young(f, pid);
	}
	return cpu_time_here() - f->cpu_began >= BATCH_NS;
}

static void take_execs(struct finder *f)
{
	uint64_t taken;

	f->charged = 0;
	f->cpu_began = cpu_time_here();
	watch_begin(f->watch);
	take_young(f);
	execs_take(f->execs, take, f);
	if (f->options.paths)
		look_at_paths(f);
	taken = taken_since(f, f->cpu_began);
	f->may_news = f->news_began + later(taken * PART, NEWS_NS);
}

/*
 * At once: a process that begins would run with probes where none belong. But who writes without end, and
 * nothing that matters, has no more of us than a part; for a second at most others wait for that.
 */
static void take_written(struct finder *f)
{
	uint64_t taken;
	bool changed;

	f->cpu_began = cpu_time_here();
	if (!watch_written(f->watch, &changed))
		return;
	look_soon(f, f->news_began);
	if (changed)
		return;
	taken = cpu_time_here() - f->cpu_began;
	f->may_written = f->news_began + earlier(taken * PART, WRITTEN_NS);
}

void finder_news(struct finder *f, char *why)
{
	f->why = why;
	f->failed = false;
	f->news_began = now_ns();
	if (f->news_began >= f->may_written)
		take_written(f);
	if (f->execs && f->news_began >= f->may_news)
		take_execs(f);
	if (!f->failed)
		why[0] = '\0';
	if (f->news_began >= f->next_look)
		finder_look(f, why);
}
