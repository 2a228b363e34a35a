/* SPDX-License-Identifier: MIT */
/*
 * storm - edges as fast as the machine makes them, by threads and processes that know their own truth
 *
 *	storm TRUTH seconds=S threads=N [end-all]
 *
 * Each thread has two steps for all of the time: one that it drives as fast as it can, and one of which it
 * takes the time of each edge. In between come bursts of steps that live for a few returns, and from the
 * first thread forks, whose children exit in all ways. What each of them did is in TRUTH (storm.h), found
 * without the header: by how often the loops ran. end-all: every step ends before its process does, for
 * kernels on which what an exit leaves open goes unread. Prints "done" at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pushback.h>

#include "storm.h"

#define EDGES_TURN 4000 /* cycles of each kind in one turn of a thread */
#define SPIN_TURN  20000
#define TIMED_NS   5000000ull
#define HOLD_NS    150000ull
#define SHORT      32 /* timed episodes in a child */
#define BURST      8
#define BURST_NS   10000000ull /* of all threads, so that they stay below what a process may have */
#define FORK_NS    40000000ull
#define THREADS    64

enum how_it_ends { ENDS_STEPS, EXITS, IS_KILLED, EXECS, WAYS };

/* A step and what is known of those of its name. */
struct driven {
	struct pushback_step *step;
	struct storm_record *truth;
};

struct worker {
	pthread_t thread;
	unsigned int number;
	struct pushback_step fast;
	struct pushback_step timed;
	struct pushback_step burst[BURST];
	struct storm_direction left[BURST]; /* of `burst`: what the last burst left open */
	struct driven drives_fast;
	struct driven drives_timed;
	struct storm_record *bursts;
	uint64_t next_timed;
	uint64_t next_burst;
	uint64_t next_fork;
	unsigned int burst_round;
	unsigned int forked;
	pid_t living; /* children */
};

static struct storm_truth *truth;
static const char *truth_path;
static uint64_t deadline;
static int end_all;
static unsigned int thread_count;
static struct worker workers[THREADS];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- The truth ---- */

static int map_truth(int flags)
{
	int fd = open(truth_path, O_RDWR | O_CLOEXEC | flags, 0644);

	if (fd < 0 || (flags && ftruncate(fd, sizeof(*truth)))) {
		perror(truth_path);
		return -1;
	}
	truth = mmap(NULL, sizeof(*truth), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return truth == MAP_FAILED ? -1 : 0;
}

/* Without the C library's locks: a forked child of several threads comes here, too. */
static struct storm_record *new_record(const char *name, unsigned int number)
{
	uint64_t n = __atomic_fetch_add(&truth->used, 1, __ATOMIC_RELAXED);
	struct storm_record *r = &truth->records[n];
	size_t i;

	if (n >= STORM_RECORDS)
		abort();
	r->pid = (uint64_t)getpid();
	for (i = 0; name[i]; i++)
		r->step[i] = name[i];
	r->step[i++] = '.';
	r->step[i++] = (char)('0' + number / 10);
	r->step[i] = (char)('0' + number % 10);
	return r;
}

static struct driven drive(struct pushback_step *step, struct storm_record *record)
{
	struct driven d = { step, record };

	pushback_step_init(step, record->step);
	record->instances++;
	return d;
}

/* ---- Returns ---- */

static void returned(struct driven *d, unsigned int direction, int outcome)
{
	if (direction == PUSHBACK_SEND)
		pushback_submit_return(d->step, outcome);
	else
		pushback_forward_return(d->step, outcome);
	d->truth->returns++;
}

static void count(struct storm_record *r, unsigned int direction, uint64_t no, uint64_t yes)
{
	*(direction == PUSHBACK_SEND ? &r->rejected : &r->refused) += no;
	*(direction == PUSHBACK_SEND ? &r->accepted : &r->forwarded) += yes;
}

/* What changes nothing; the last of these also makes sure that the next forward went to nobody known. */
static void noise(struct driven *d)
{
	returned(d, PUSHBACK_SEND, PUSHBACK_PROPAGATED);
	returned(d, PUSHBACK_SEND, PUSHBACK_INVALID);
	returned(d, PUSHBACK_RECEIVE, PUSHBACK_INVALID);
	pushback_poll_return(d->step, 0);
	d->truth->returns++;
}

/* So many closed episodes of both directions, whose time lies between nothing and all there was. */
static void add_closed(struct storm_record *r, uint64_t send, uint64_t receive, uint64_t ns)
{
	r->direction[PUSHBACK_SEND].closed += send;
	r->direction[PUSHBACK_RECEIVE].closed += receive;
	r->direction[PUSHBACK_SEND].high_ns += ns;
	r->direction[PUSHBACK_RECEIVE].high_ns += ns;
	r->self_high_ns += ns;
	r->edges += 2 * (send + receive);
}

/* As fast as it can: every return an edge. */
static void fast_edges(struct driven *d, uint64_t n)
{
	struct pushback_step *s = d->step;
	uint64_t begin = now_ns(), i;

	for (i = 0; i < n; i++) {
		pushback_submit_return(s, PUSHBACK_REJECTED);
		pushback_submit_return(s, PUSHBACK_ACCEPTED);
	}
	for (i = 0; i < n; i++) {
		pushback_submit_return(s, PUSHBACK_REJECTED);
		pushback_poll_return(s, 1);
	}
	for (i = 0; i < n; i++) { /* directions overlap */
		pushback_forward_return(s, PUSHBACK_PROPAGATED);
		pushback_submit_return(s, PUSHBACK_REJECTED);
		pushback_forward_return(s, PUSHBACK_ACCEPTED);
		pushback_submit_return(s, PUSHBACK_ACCEPTED);
	}
	count(d->truth, PUSHBACK_SEND, 3 * n, 2 * n);
	count(d->truth, PUSHBACK_RECEIVE, n, n);
	d->truth->returns += 8 * n;
	add_closed(d->truth, 3 * n, n, now_ns() - begin);
}

/* ---- Edges with their times ---- */

struct moment {
	uint64_t before;
	uint64_t after;
};

static struct moment edge(struct driven *d, unsigned int direction, int outcome)
{
	struct moment m = { .before = now_ns() };

	returned(d, direction, outcome);
	m.after = now_ns();
	d->truth->edges++;
	count(d->truth, direction, outcome != PUSHBACK_ACCEPTED, outcome == PUSHBACK_ACCEPTED);
	return m;
}

static void add_between(uint64_t *low, uint64_t *high, struct moment from, struct moment to)
{
	*low += to.before > from.after ? to.before - from.after : 0;
	*high += to.after - from.before;
}

static void add_time(struct storm_record *r, unsigned int direction, struct moment from,
		     struct moment to)
{
	add_between(&r->direction[direction].low_ns, &r->direction[direction].high_ns, from, to);
}

/* Refuses for a while with nothing else open: all of it is self time. */
static void add_self(struct storm_record *r, struct moment from, struct moment to)
{
	add_time(r, PUSHBACK_SEND, from, to);
	add_between(&r->self_low_ns, &r->self_high_ns, from, to);
}

/* One episode of either direction with many attempts. */
static void spin(struct driven *d, uint64_t n)
{
	struct moment from, to;
	uint64_t i;

	from = edge(d, PUSHBACK_SEND, PUSHBACK_REJECTED);
	for (i = 0; i < n; i++)
		pushback_submit_return(d->step, PUSHBACK_REJECTED);
	to = edge(d, PUSHBACK_SEND, PUSHBACK_ACCEPTED);
	add_self(d->truth, from, to);
	from = edge(d, PUSHBACK_RECEIVE, PUSHBACK_REJECTED);
	for (i = 0; i < n; i++)
		pushback_forward_return(d->step, PUSHBACK_REJECTED);
	to = edge(d, PUSHBACK_RECEIVE, PUSHBACK_ACCEPTED);
	add_time(d->truth, PUSHBACK_RECEIVE, from, to);
	count(d->truth, PUSHBACK_SEND, n, 0);
	count(d->truth, PUSHBACK_RECEIVE, n, 0);
	d->truth->returns += 2 * n;
	d->truth->direction[PUSHBACK_SEND].closed++;
	d->truth->direction[PUSHBACK_RECEIVE].closed++;
}

/* Goes on to try for so long. */
static void hold(struct driven *d, unsigned int direction, uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	while (ns && now_ns() < end) {
		returned(d, direction, PUSHBACK_REJECTED);
		count(d->truth, direction, 1, 0);
	}
}

/* Both directions, overlapping; `ns` between two edges, or as little as it takes. */
static void timed_episodes(struct driven *d, unsigned int n, uint64_t ns)
{
	struct storm_record *r = d->truth;
	struct moment refused, handed, rejected, taken;

	while (n--) {
		refused = edge(d, PUSHBACK_RECEIVE, PUSHBACK_REJECTED);
		hold(d, PUSHBACK_RECEIVE, ns);
		rejected = edge(d, PUSHBACK_SEND, PUSHBACK_REJECTED);
		hold(d, PUSHBACK_RECEIVE, ns);
		handed = edge(d, PUSHBACK_RECEIVE, PUSHBACK_ACCEPTED);
		hold(d, PUSHBACK_SEND, ns);
		taken = edge(d, PUSHBACK_SEND, PUSHBACK_ACCEPTED);
		add_time(r, PUSHBACK_RECEIVE, refused, handed);
		add_time(r, PUSHBACK_SEND, rejected, taken);
		add_between(&r->self_low_ns, &r->self_high_ns, handed, taken);
		r->direction[PUSHBACK_SEND].closed++;
		r->direction[PUSHBACK_RECEIVE].closed++;
	}
}

/* Opens what its end will abandon. Self time is taken as none to all of it. */
static void leave_open(struct driven *d, unsigned int direction, struct storm_direction *where)
{
	struct moment m = edge(d, direction, PUSHBACK_REJECTED);

	where->open_low = m.before;
	where->open_high = m.after;
}

static void abandoned(struct storm_record *r, unsigned int direction, struct storm_direction *where,
		      struct moment end)
{
	struct moment from = { where->open_low, where->open_high };

	r->direction[direction].abandoned++;
	add_time(r, direction, from, end);
	if (direction == PUSHBACK_SEND)
		r->self_high_ns += end.after - from.before;
	where->open_low = 0;
	where->open_high = 0;
}

/* ---- Bursts of short lives ---- */

/*
 * Each has few enough edges that all are fired: so nothing is lost of those of which nobody says that
 * they ended, and whose place another one takes.
 */
static void burst_one(struct worker *w, unsigned int i, int is_ended)
{
	struct storm_direction *left = &w->left[i];
	struct moment end = { .before = now_ns() };
	struct driven d = drive(&w->burst[i], w->bursts);

	timed_episodes(&d, 2, 0);
	end.after = now_ns();
	if (left->open_low)
		abandoned(d.truth, PUSHBACK_SEND, left, end);
	leave_open(&d, PUSHBACK_SEND, left);
	if (!is_ended)
		return;
	end.before = now_ns();
	pushback_step_end(d.step);
	end.after = now_ns();
	abandoned(d.truth, PUSHBACK_SEND, left, end);
}

static void burst(struct worker *w)
{
	int is_ended = w->burst_round++ % 2;
	unsigned int i;

	for (i = 0; i < BURST; i++)
		burst_one(w, i, is_ended);
}

/* ---- Forks ---- */

/* The image ends with the next lines. */
static void about_to_go(void)
{
	uint64_t pid = (uint64_t)getpid(), now = now_ns(), i;

	for (i = 0; i < truth->used; i++) {
		if (truth->records[i].pid == pid && !truth->records[i].gone_low)
			truth->records[i].gone_low = now;
	}
}

/* The image has ended. */
static void is_gone(uint64_t pid)
{
	uint64_t now = now_ns(), i;

	for (i = 0; i < truth->used; i++) {
		if (truth->records[i].pid == pid && !truth->records[i].gone_high)
			truth->records[i].gone_high = now;
	}
}

/* It drove this step before the fork. Whatever was open then, nothing is known of. */
static void drive_inherited(struct driven *d)
{
	struct moment from, to;

	from = edge(d, PUSHBACK_SEND, PUSHBACK_REJECTED);
	to = edge(d, PUSHBACK_SEND, PUSHBACK_ACCEPTED);
	add_self(d->truth, from, to);
	d->truth->direction[PUSHBACK_SEND].partial++;
	returned(d, PUSHBACK_RECEIVE, PUSHBACK_ACCEPTED);
	count(d->truth, PUSHBACK_RECEIVE, 0, 1);
	timed_episodes(d, SHORT, 0);
	fast_edges(d, EDGES_TURN / 8);
}

static void end_driven(struct driven *d)
{
	struct storm_direction *direction = d->truth->direction;
	struct moment end = { .before = now_ns() };
	unsigned int i;

	pushback_step_end(d->step);
	end.after = now_ns();
	for (i = PUSHBACK_SEND; i <= PUSHBACK_RECEIVE; i++) {
		if (direction[i].open_low)
			abandoned(d->truth, i, &direction[i], end);
	}
}

/* Both are in backpressure when their process ends. */
static void open_both(struct driven *d)
{
	leave_open(d, PUSHBACK_RECEIVE, &d->truth->direction[PUSHBACK_RECEIVE]);
	leave_open(d, PUSHBACK_SEND, &d->truth->direction[PUSHBACK_SEND]);
	returned(d, PUSHBACK_SEND, PUSHBACK_REJECTED); /* no event tells of this one */
	count(d->truth, PUSHBACK_SEND, 1, 0);
}

static void go(enum how_it_ends how)
{
	char *argv[] = { (char *)"storm", (char *)truth_path, (char *)"exec",
			 (char *)(end_all ? "end-all" : NULL), NULL };

	about_to_go();
	if (how == EXECS)
		execv("/proc/self/exe", argv);
	if (how == IS_KILLED)
		kill(getpid(), SIGKILL);
	_exit(0);
}

static void child(struct worker *w, enum how_it_ends how)
{
	static struct pushback_step own;
	struct driven inherited = { &w->fast, new_record("fast", w->number) };
	struct driven d = drive(&own, new_record("forked", w->forked % 100));

	__atomic_add_fetch(&truth->processes, 1, __ATOMIC_RELAXED);
	inherited.truth->instances = 1;
	drive_inherited(&inherited);
	noise(&d);
	timed_episodes(&d, SHORT, 0);
	fast_edges(&d, EDGES_TURN / 8);
	noise(&d);
	open_both(&inherited);
	noise(&d);
	open_both(&d);
	if (how == ENDS_STEPS || end_all) {
		end_driven(&inherited);
		end_driven(&d);
	}
	go(how);
}

/* A new image of a child's process. */
static void run_exec(void)
{
	static struct pushback_step own;
	struct driven d;

	is_gone((uint64_t)getpid());
	__atomic_add_fetch(&truth->processes, 1, __ATOMIC_RELAXED);
	d = drive(&own, new_record("exec", 0));
	timed_episodes(&d, SHORT, 0);
	fast_edges(&d, EDGES_TURN / 8);
	noise(&d);
	open_both(&d);
	if (end_all)
		end_driven(&d);
	go(EXITS);
}

static void reap(struct worker *w, int options)
{
	int status;
	pid_t pid;

	while (w->living && (pid = waitpid(-1, &status, options)) > 0) {
		is_gone((uint64_t)pid);
		w->living--;
	}
}

/* Every other one while the inherited step is in backpressure; in the parent nothing comes of it. */
static void fork_one(struct worker *w)
{
	struct driven *d = &w->drives_fast;
	enum how_it_ends how = w->forked++ % WAYS;
	int opens = w->forked / WAYS % 2;
	struct moment from, to;
	pid_t pid;

	if (opens)
		from = edge(d, PUSHBACK_SEND, PUSHBACK_REJECTED);
	pid = fork();
	if (pid == 0)
		child(w, how);
	if (pid < 0)
		abort();
	w->living++;
	if (opens) {
		to = edge(d, PUSHBACK_SEND, PUSHBACK_ACCEPTED);
		add_self(d->truth, from, to);
		d->truth->direction[PUSHBACK_SEND].closed++;
	}
}

/* ---- Threads ---- */

static void turn(struct worker *w, uint64_t now)
{
	noise(&w->drives_fast);
	fast_edges(&w->drives_fast, EDGES_TURN);
	spin(&w->drives_fast, SPIN_TURN);
	if (now >= w->next_timed) {
		noise(&w->drives_timed);
		timed_episodes(&w->drives_timed, 1, HOLD_NS);
		noise(&w->drives_timed);
		w->next_timed = now + TIMED_NS;
	}
	if (now >= w->next_burst) {
		burst(w);
		noise(&w->drives_timed);
		w->next_burst = now + BURST_NS * thread_count;
	}
	if (w->number == 0 && now >= w->next_fork) {
		reap(w, WNOHANG);
		fork_one(w);
		w->next_fork = now + FORK_NS;
	}
}

static void *run_worker(void *data)
{
	struct worker *w = data;
	uint64_t now;

	w->drives_fast = drive(&w->fast, new_record("fast", w->number));
	w->drives_timed = drive(&w->timed, new_record("timed", w->number));
	w->bursts = new_record("burst", w->number);
	do {
		now = now_ns();
		turn(w, now);
	} while (now < deadline);
	if (w->burst_round % 2) /* the last ones have not ended */
		burst(w);
	reap(w, 0);
	end_driven(&w->drives_fast);
	end_driven(&w->drives_timed);
	return NULL;
}

static int run(double seconds)
{
	unsigned int threads = thread_count, i;

	truth->begin_ns = now_ns();
	deadline = truth->begin_ns + (uint64_t)(seconds * 1e9);
	truth->processes = 1;
	for (i = 0; i < threads; i++)
		workers[i].number = i;
	for (i = 1; i < threads; i++) {
		if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
			return 1;
	}
	run_worker(&workers[0]);
	for (i = 1; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	truth->end_ns = now_ns();
	printf("done\n");
	return 0;
}

int main(int argc, char **argv)
{
	double seconds = 0;
	int i, is_exec = 0;

	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "exec"))
			is_exec = 1;
		if (!strcmp(argv[i], "end-all"))
			end_all = 1;
		if (!strncmp(argv[i], "threads=", 8))
			thread_count = (unsigned int)atoi(argv[i] + 8);
		if (!strncmp(argv[i], "seconds=", 8))
			seconds = atof(argv[i] + 8);
	}
	if (!is_exec && (thread_count < 1 || thread_count > THREADS || seconds <= 0)) {
		fprintf(stderr, "usage: storm TRUTH seconds=S threads=N [end-all]\n");
		return 2;
	}
	truth_path = argv[1];
	if (map_truth(is_exec ? 0 : O_CREAT | O_TRUNC))
		return 1;
	if (is_exec)
		run_exec();
	return run(seconds);
}
