/* SPDX-License-Identifier: MIT */
/*
 * driver - a consumer that does exactly what it is told
 *
 * usage: driver SOCKET
 *
 * Connects to the unix stream socket, says "hello PID", and then answers each line with a line, "ok
 * ..." or "error ...". Between two commands it does nothing: whoever commands it may attach an
 * observer in a moment without calls. Times are ns of CLOCK_MONOTONIC. A PLACE is where a step
 * lives: 0 to 1023 here, from 1024 on in the library. Threads are 0 (the main one) to 7.
 *
 *	init PLACE NAME	    pushback_step_init of memory that holds no step any more; the name in hex digits, "-"
 *			    for an empty one
 *	renew PLACE NAME    pushback_step_init where one may live
 *	name PLACE BYTES    writes the bytes over the name, which may leave it unterminated
 *	call THREAD TIMES OP,PLACE,VALUE ...
 *			    the sequence, TIMES times over. OP is submit, forward, poll, end,
 *			    submit_enter, poll_enter, depth, or spin, which passes VALUE us
 *	begin THREAD ...    the same without waiting for it
 *	finish THREAD	    waits for what was begun, and answers as call:
 *			    BEFORE SECOND AFTER FIRES FIRST LAST [CALL...]
 *			    (in scripted.h's words; each CALL in hex digits)
 *	semaphore WHERE	    of driver or library
 *	fork SOCKET	    "ok PID"; the child connects to the socket and goes on there
 *	exec FILE SOCKET    replaces the image; the new one connects to the socket
 *	thread_exec FILE SOCKET
 *			    the same from a thread that is not the first one
 *	dlopen FILE | dlclose
 *	timers N	    makes as many, which the kernel deletes once no thread lives, before the memory goes
 *	leave_main	    ends the main thread; from then on thread 0 is another one
 *	exit N | _exit N | signal N
 *			    answered with the time before, then done
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "scripted.h"

#define THREADS   8
#define LINE_SIZE 32768

static const char *const op_names[SCRIPTED_OPS] = {
	[SCRIPTED_SUBMIT] = "submit",
	[SCRIPTED_FORWARD] = "forward",
	[SCRIPTED_POLL] = "poll",
	[SCRIPTED_END] = "end",
	[SCRIPTED_SUBMIT_ENTER] = "submit_enter",
	[SCRIPTED_POLL_ENTER] = "poll_enter",
	[SCRIPTED_DEPTH] = "depth",
	[SCRIPTED_SPIN] = "spin",
};

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool started;
	bool busy;
	const struct scripted *where;
	struct scripted_job job;
};

static struct worker workers[THREADS];
static FILE *in, *out;
static void *library;

/* ---- Talk ---- */

static void fail(const char *what)
{
	fprintf(out, "error %s: %s\n", what, strerror(errno));
	fflush(out);
}

static void connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		fprintf(stderr, "driver: cannot connect to '%s': %s\n", path, strerror(errno));
		_exit(1);
	}
	in = fdopen(fd, "r");
	out = fdopen(fcntl(fd, F_DUPFD_CLOEXEC, 0), "w");
	if (!in || !out)
		_exit(1);
	fprintf(out, "hello %d\n", (int)getpid());
	fflush(out);
}

static void say_time(void)
{
	fprintf(out, "ok %" PRIu64 "\n", scripted_now());
	fflush(out);
}

/* "-" is empty, otherwise pairs of hex digits. Returns how many bytes. */
static size_t decode(char *bytes, size_t size, const char *hex)
{
	size_t length = 0;
	unsigned int byte;

	for (; *hex != '-' && length + 1 < size && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		bytes[length++] = (char)byte;
	bytes[length] = '\0';
	return length;
}

/* ---- Where steps live ---- */

static const struct scripted *where_is(unsigned int *place)
{
	if (*place < SCRIPTED_PLACES)
		return &scripted_here;
	*place -= SCRIPTED_PLACES;
	if (!library || *place >= SCRIPTED_PLACES)
		return NULL;
	return dlsym(library, "scripted_library");
}

static void do_init(char *words, char how)
{
	static char bytes[LINE_SIZE];
	char *hex = NULL;
	unsigned int place = (unsigned int)strtoul(words, &hex, 10);
	const struct scripted *where = where_is(&place);
	size_t length;

	if (!where) {
		errno = EINVAL;
		fail("place");
		return;
	}
	length = decode(bytes, sizeof(bytes), hex + 1);
	if (how == 'i')
		where->forget(place);
	if (how != 'n')
		where->init(place, bytes);
	else
		memcpy(where->places[place].name, bytes,
		       length < PUSHBACK_NAME_SIZE ? length : PUSHBACK_NAME_SIZE);
	say_time();
}

static void do_semaphore(const char *whose)
{
	const struct scripted *where = &scripted_here;
	unsigned int place = SCRIPTED_PLACES;

	if (strcmp(whose, "driver"))
		where = where_is(&place);
	fprintf(out, "ok %u\n", where ? *where->semaphore : 0u);
	fflush(out);
}

/* ---- Calls ---- */

static int parse_call(char *word, struct worker *w)
{
	struct scripted_call *call = &w->job.call[w->job.length];
	char *name = strtok_r(word, ",", &word);
	char *place = strtok_r(NULL, ",", &word), *value = strtok_r(NULL, ",", &word);
	unsigned int op = 0;

	if (!name || !place || !value || w->job.length == SCRIPTED_SEQUENCE)
		return -1;
	while (op < SCRIPTED_OPS && strcmp(op_names[op], name))
		op++;
	if (op == SCRIPTED_OPS)
		return -1;
	call->op = (enum scripted_op)op;
	call->place = (unsigned int)strtoul(place, NULL, 10);
	call->value = (int)strtol(value, NULL, 10);
	w->where = where_is(&call->place);
	w->job.length++;
	return w->where ? 0 : -1;
}

static void *work(void *context)
{
	struct worker *w = context;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->busy)
			pthread_cond_wait(&w->changed, &w->lock);
		w->where->run(&w->job);
		w->busy = false;
		pthread_cond_broadcast(&w->changed);
	}
	return NULL;
}

/* The worker with its job set, or NULL. */
static struct worker *prepare(char *words)
{
	char *thread = strtok_r(words, " ", &words), *times = strtok_r(NULL, " ", &words), *word;
	struct worker *w;

	if (!thread || !times)
		return NULL;
	w = &workers[strtoul(thread, NULL, 10) % THREADS];
	w->job.length = 0;
	w->job.times = strtoull(times, NULL, 10);
	while ((word = strtok_r(NULL, " ", &words))) {
		if (parse_call(word, w))
			return NULL;
	}
	if (!w->job.length)
		return NULL;
	if (!w->started && w != workers) {
		pthread_mutex_init(&w->lock, NULL);
		pthread_cond_init(&w->changed, NULL);
		if (pthread_create(&w->thread, NULL, work, w))
			return NULL;
		w->started = true;
	}
	return w;
}

static void begin_job(struct worker *w)
{
	if (w == workers) {
		w->where->run(&w->job);
		return;
	}
	pthread_mutex_lock(&w->lock);
	w->busy = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void finish_job(struct worker *w)
{
	const struct scripted_job *job = &w->job;
	uint64_t n;

	if (w != workers) {
		pthread_mutex_lock(&w->lock);
		while (w->busy)
			pthread_cond_wait(&w->changed, &w->lock);
		pthread_mutex_unlock(&w->lock);
	}
	fprintf(out, "ok %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
		job->before, job->second, job->after, job->fires, job->first_fire, job->last_fire);
	for (n = 0; n < job->traced; n++)
		fprintf(out, " %" PRIx64, job->trace[n]);
	fprintf(out, "\n");
	fflush(out);
}

static void do_call(char *words, bool wait)
{
	struct worker *w = prepare(words);

	if (!w) {
		errno = EINVAL;
		fail("call");
		return;
	}
	begin_job(w);
	if (wait)
		finish_job(w);
	else
		say_time();
}

/* ---- Life and death ---- */

static void do_fork(const char *path)
{
	pid_t pid = fork();

	if (pid < 0) {
		fail("fork");
	} else if (pid) {
		fprintf(out, "ok %d\n", (int)pid);
		fflush(out);
	} else {
		memset(workers, 0, sizeof(workers));
		close(fileno(in));
		close(fileno(out));
		connect_to(path);
	}
}

static void do_exec(char *words)
{
	char *file = strtok_r(words, " ", &words), *path = strtok_r(NULL, " ", &words);

	say_time();
	execl(file, file, path, (char *)NULL);
	fail("exec");
}

static void *exec_here(void *words)
{
	do_exec(words);
	return NULL;
}

static void do_thread_exec(char *words)
{
	pthread_t other;

	if (pthread_create(&other, NULL, exec_here, words))
		fail("thread");
	else
		pthread_join(other, NULL);
}

static void do_dlopen(const char *file)
{
	library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (library)
		say_time();
	else
		fail(dlerror());
}

static void do_dlclose(void)
{
	if (!library || dlclose(library)) {
		fail("dlclose");
		return;
	}
	library = NULL;
	say_time();
}

static void do_timers(int count)
{
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	timer_t timer;

	while (count-- > 0) {
		if (timer_create(CLOCK_MONOTONIC, &none, &timer)) {
			fail("timer");
			return;
		}
	}
	say_time();
}

static void obey_all(void);

static void *obey_here(void *unused)
{
	say_time();
	obey_all();
	exit(0);
	return unused;
}

static void do_leave_main(void)
{
	pthread_t other;

	if (pthread_create(&other, NULL, obey_here, NULL)) {
		fail("thread");
		return;
	}
	pthread_exit(NULL);
}

static void do_exit(const char *how, int number)
{
	say_time();
	if (!strcmp(how, "exit"))
		exit(number);
	if (!strcmp(how, "_exit"))
		_exit(number);
	signal(number, SIG_DFL);
	raise(number);
}

static void obey(char *line)
{
	char *verb = strtok_r(line, " \n", &line), *rest = line;

	rest[strcspn(rest, "\n")] = '\0';
	if (!verb)
		return;
	if (!strcmp(verb, "call") || !strcmp(verb, "begin"))
		do_call(rest, verb[0] == 'c');
	else if (!strcmp(verb, "finish"))
		finish_job(&workers[strtoul(rest, NULL, 10) % THREADS]);
	else if (!strcmp(verb, "init") || !strcmp(verb, "renew") || !strcmp(verb, "name"))
		do_init(rest, verb[0]);
	else if (!strcmp(verb, "semaphore"))
		do_semaphore(rest);
	else if (!strcmp(verb, "fork"))
		do_fork(rest);
	else if (!strcmp(verb, "exec"))
		do_exec(rest);
	else if (!strcmp(verb, "thread_exec"))
		do_thread_exec(rest);
	else if (!strcmp(verb, "dlopen"))
		do_dlopen(rest);
	else if (!strcmp(verb, "dlclose"))
		do_dlclose();
	else if (!strcmp(verb, "timers"))
		do_timers(atoi(rest));
	else if (!strcmp(verb, "leave_main"))
		do_leave_main();
	else
		do_exit(verb, atoi(rest));
}

static void obey_all(void)
{
	static char line[LINE_SIZE];

	while (fgets(line, sizeof(line), in))
		obey(line);
}

int main(int argc, char **argv)
{
	const struct rlimit no_core = { 0, 0 };

	if (argc != 2) {
		fprintf(stderr, "usage: driver SOCKET\n");
		return 2;
	}
	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGCHLD, SIG_IGN);
	connect_to(argv[1]);
	obey_all();
	return 0;
}
