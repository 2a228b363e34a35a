/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cpu_time.h"
#include "discover.h"
#include "msg.h"

#define HELD_NS      500000000l
#define LATE_NS      50000000l     /* where our patience is at its end */
#define PATIENCE_NS  2000000000ull /* waited for at once; it comes back by a tenth of the time */
#define STACK_SIZE   (64ul << 10)
#define HOLDERS_MOST 64
#define HOLDERS_USER 8 /* of one user: then none of that user's is read */

enum { WAITING, RUNNING, DONE, GIVEN_UP };

/* A job is handed over and back by one post each: what takes time is the other one's waking up. */
struct reader {
	sem_t wanted;           /* there is a job */
	sem_t back;             /* it was run, or nobody will */
	struct reader_job *job; /* NULL: end */
	char *stack;
	pthread_t keeper;
	atomic_int pid;       /* 0 or less: a thread does it, or it has yet to begin */
	atomic_bool dead;     /* its keeper is to be joined, unless it was given up */
	pthread_mutex_t lock; /* whose it is when it dies is decided with it */
	bool given_up;
};

struct holder {
	pid_t pid;
	uint64_t start_time;
	uid_t user;
};

static struct reader *reader;
static pid_t owner; /* a fork has none */
static struct {
	uint64_t left_ns, at;
} patience = { PATIENCE_NS, 0 };
static uint64_t past_ns; /* what those took that were given up */

/* Whoever reads asks, and one that was given up may still do so. */
static pthread_mutex_t holders_lock = PTHREAD_MUTEX_INITIALIZER;
static struct holder holders[HOLDERS_MOST];
static size_t holders_count;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- Who holds readers ---- */

static size_t count_of(uid_t user)
{
	size_t count = 0;

	for (size_t i = 0; user && i < holders_count; i++)
		count += holders[i].user == user;
	return count;
}

static bool is_of_many(pid_t pid)
{
	uid_t user = 0;

	if (holders_count == HOLDERS_MOST)
		return true;
	/* What follows reads of /proc: for all processes that would be too much. */
	if (holders_count < HOLDERS_USER)
		return false;
	return !discover_user(pid, &user) && count_of(user) >= HOLDERS_USER;
}

static bool is_holder(pid_t pid)
{
	bool found = false;

	pthread_mutex_lock(&holders_lock);
	for (size_t i = 0; !found && i < holders_count; i++)
		found = holders[i].pid == pid && holders[i].start_time == discover_start_time(pid);
	if (!found && holders_count)
		found = is_of_many(pid);
	pthread_mutex_unlock(&holders_lock);
	return found;
}

static void forget_ended(void)
{
	size_t left = 0;

	for (size_t i = 0; i < holders_count; i++) {
		if (discover_is_running(holders[i].pid, holders[i].start_time))
			holders[left++] = holders[i];
	}
	holders_count = left;
}

static void add_holder(pid_t pid)
{
	struct holder h = { .pid = pid, .start_time = discover_start_time(pid) };

	if (discover_user(pid, &h.user))
		h.user = 0;
	pthread_mutex_lock(&holders_lock);
	forget_ended();
	if (holders_count < HOLDERS_MOST)
		holders[holders_count++] = h;
	pthread_mutex_unlock(&holders_lock);
	msg_warn("process %d holds whoever reads its memory: it is read no more, which leaves "
		 "what its events tell",
		 (int)pid);
}

bool reader_turn(struct reader_job *job, pid_t pid)
{
	if (atomic_load(&job->state) != RUNNING || is_holder(pid))
		return false;
	atomic_store(&job->pid, pid);
	atomic_fetch_add(&job->turns, 1);
	return atomic_load(&job->state) == RUNNING;
}

/* ---- The one who reads ---- */

/* Whether anybody waits for it any more. */
static bool run_one(struct reader_job *job)
{
	int running = RUNNING;

	job->run(job);
	if (atomic_compare_exchange_strong(&job->state, &running, DONE))
		return true;
	job->release(job);
	return false;
}

static void await(sem_t *post)
{
	while (sem_wait(post) && errno == EINTR)
		;
}

static void live(struct reader *r)
{
	for (;;) {
		await(&r->wanted);
		if (!r->job || !run_one(r->job))
			return;
		sem_post(&r->back);
	}
}

/* Links, locks and sockets are let go of when we end, held or not. */
static void close_all(void)
{
	const struct dirent *entry;
	DIR *fds;

	if (unshare(CLONE_FILES))
		return;
	fds = opendir("/proc/self/fd");
	while (fds && (entry = readdir(fds))) {
		int fd = atoi(entry->d_name);

		if (fd != dirfd(fds))
			close(fd);
	}
	if (fds)
		closedir(fds);
}

/* Its name in libc's books is its keeper's, who does nothing meanwhile. */
static int live_apart(void *context)
{
	struct reader *r = context;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != owner)
		_exit(0);
	close_all();
	live(r);
	_exit(0);
}

static void reader_free(struct reader *r)
{
	pthread_mutex_destroy(&r->lock);
	sem_destroy(&r->wanted);
	sem_destroy(&r->back);
	free(r->stack);
	free(r);
}

/* Of those that were given up nobody else knows. */
static void bury(struct reader *r)
{
	bool given_up;

	pthread_mutex_lock(&r->lock);
	r->dead = true;
	given_up = r->given_up;
	sem_post(&r->back);
	pthread_mutex_unlock(&r->lock);
	if (given_up)
		reader_free(r);
}

bool reader_is_thread(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#else
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
#endif
}

static void *keep(void *context)
{
	struct reader *r = context;
	pid_t pid = -1;

	if (!reader_is_thread())
		pid = clone(live_apart, r->stack + STACK_SIZE, CLONE_VM | CLONE_FS | CLONE_FILES,
			    r);
	atomic_store(&r->pid, pid);
	if (pid < 0)
		live(r);
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	bury(r);
	return NULL;
}

/* Signals stay with the agent's thread, which waits for them. */
static int begin_keeper(struct reader *r)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int err = pthread_attr_init(&attributes);

	if (err)
		return err;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&r->keeper, &attributes, keep, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return err;
}

static struct reader *reader_new(void)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (r)
		r->stack = aligned_alloc(64, STACK_SIZE);
	if (!r || !r->stack) {
		free(r);
		return NULL;
	}
	pthread_mutex_init(&r->lock, NULL);
	sem_init(&r->wanted, 0, 0);
	sem_init(&r->back, 0, 0);
	if (!begin_keeper(r))
		return r;
	reader_free(r);
	return NULL;
}

/* ---- The caller ---- */

/* Its keeper is gone as well: one that is still about to end would be, for who looks then, a leak. */
static void await_end(struct reader *r)
{
	pthread_join(r->keeper, NULL);
	reader_free(r);
}

void reader_end(void)
{
	struct reader *r = owner == getpid() ? reader : NULL;

	if (!r)
		return;
	past_ns += cpu_time_of(r->pid);
	r->job = NULL;
	sem_post(&r->wanted);
	await_end(r);
	reader = NULL;
}

/* A fork has a copy of it, of which nobody makes use: its lock may be held for good. */
static void forget_parents(void)
{
	if (reader)
		free(reader->stack);
	free(reader);
	reader = NULL;
}

/* The present one, or a new one; NULL: there is none to be had. */
static struct reader *take_reader(void)
{
	if (owner != getpid()) {
		forget_parents();
		owner = getpid();
	}
	if (reader && reader->dead) {
		await_end(reader);
		reader = NULL;
	}
	if (!reader)
		reader = reader_new();
	return reader;
}

enum waited { BACK, HELD, MOVED };

/*
 * Many that are slow by agreement, each not quite as long as that, would keep us for as long as they like. A
 * thread's waiting may be for a CPU, which is nobody's fault.
 */
static long patience_of(const struct reader *r, uint64_t now)
{
	patience.left_ns += (now - patience.at) / 10;
	if (patience.left_ns > PATIENCE_NS)
		patience.left_ns = PATIENCE_NS;
	patience.at = now;
	return patience.left_ns >= HELD_NS || r->pid <= 0 ? HELD_NS : LATE_NS;
}

static void lose_patience(uint64_t waited)
{
	patience.left_ns -= waited < patience.left_ns ? waited : patience.left_ns;
}

/* HELD: it has been in one process for all that time. */
static enum waited wait_once(struct reader *r, struct reader_job *job, long held_ns)
{
	unsigned int turns = atomic_load(&job->turns);
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += held_ns;
	until.tv_sec += until.tv_nsec / 1000000000l;
	until.tv_nsec %= 1000000000l;
	while (sem_clockwait(&r->back, CLOCK_MONOTONIC, &until)) {
		if (errno == ETIMEDOUT)
			return atomic_load(&job->turns) == turns ? HELD : MOVED;
	}
	return BACK;
}

/* It waits for a CPU, as after a machine was stopped, and for nobody else. Of a thread that is not known. */
static bool is_runnable(const struct reader *r)
{
	char state = 0, path[32];
	pid_t pid = r->pid;
	FILE *file;

	if (pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	/* Its name is ours, and has no blank. */
	if (fscanf(file, "%*d %*s %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'R';
}

/* It has yet to begin, which takes a while on a busy machine: no process can be blamed for that. */
static bool is_outside(const struct reader_job *job)
{
	return !atomic_load(&job->turns);
}

/* false: it has come back just then. */
static bool give_up(struct reader *r, struct reader_job *job)
{
	pid_t pid = atomic_load(&job->pid);
	int running = RUNNING;
	bool given_up = false;

	/* Nobody buries it before it is known whose it is then. */
	pthread_mutex_lock(&r->lock);
	if (!r->dead)
		given_up = atomic_compare_exchange_strong(&job->state, &running, GIVEN_UP);
	if (given_up) {
		r->given_up = true;
		pthread_detach(r->keeper);
		past_ns += cpu_time_of(r->pid);
		reader = NULL;
	}
	pthread_mutex_unlock(&r->lock);
	if (given_up)
		add_holder(pid);
	return given_up;
}

/* false: it was given up. */
static bool await_back(struct reader *r, struct reader_job *job)
{
	for (;;) {
		uint64_t began = now_ns();
		enum waited how = wait_once(r, job, patience_of(r, began));

		if (how != BACK && (is_outside(job) || is_runnable(r)))
			continue;
		lose_patience(now_ns() - began);
		if (how == BACK)
			return true;
		if (how == MOVED)
			continue;
		if (give_up(r, job))
			return false;
		await(&r->back);
		return true;
	}
}

bool reader_run(struct reader_job *job)
{
	struct reader *r = take_reader();

	if (!r) {
		job->release(job);
		return false;
	}
	atomic_store(&job->state, RUNNING);
	atomic_store(&job->turns, 0);
	r->job = job;
	sem_post(&r->wanted);
	if (!await_back(r, job))
		return false;
	if (atomic_load(&job->state) == DONE)
		return true;
	/* It has died. */
	job->release(job);
	return false;
}

uint64_t reader_cpu_ns(void)
{
	return past_ns + (reader && owner == getpid() ? cpu_time_of(reader->pid) : 0);
}
