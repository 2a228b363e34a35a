/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"

#define QUEUE_SIZE 64
#define LINE_SIZE  256
#define SPIN_NS    200000 /* below that a timed wait is too coarse */

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct command queue[QUEUE_SIZE];
	unsigned int head;
	uint64_t end; /* when the time is over, 0 for never */
	int signal_fd;
	int wake_fd;
	char line[LINE_SIZE];
	size_t line_used;
	bool line_skip; /* it is too long: up to its end */
} control = { .lock = PTHREAD_MUTEX_INITIALIZER };

atomic_bool control_stopped;
atomic_uint control_waiting;

static void stop(void)
{
	pthread_mutex_lock(&control.lock);
	atomic_store(&control_stopped, true);
	pthread_cond_signal(&control.changed);
	pthread_mutex_unlock(&control.lock);
}

static void enqueue(const struct command *command)
{
	unsigned int waiting;

	pthread_mutex_lock(&control.lock);
	waiting = atomic_load(&control_waiting);
	if (waiting < QUEUE_SIZE) {
		control.queue[(control.head + waiting) % QUEUE_SIZE] = *command;
		atomic_store(&control_waiting, waiting + 1);
		pthread_cond_signal(&control.changed);
	} else {
		fprintf(stderr, "pushback-demo: too many commands at once, one is left out\n");
	}
	pthread_mutex_unlock(&control.lock);
}

static bool command_parse(const char *line, struct command *command)
{
	static const struct {
		const char *word;
		enum command_verb verb;
	} words[] = {
		{ "rebalance", COMMAND_REBALANCE },
		{ "pause", COMMAND_PAUSE },
		{ "resume", COMMAND_RESUME },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(line, words[i].word))
			continue;
		command->verb = words[i].verb;
		return true;
	}
	command->verb = COMMAND_SLOW;
	return slow_parse(line, &command->slow);
}

static void obey(const char *line)
{
	struct command command = { .verb = COMMAND_SLOW };

	if (!*line)
		return;
	if (!strcmp(line, "quit"))
		stop();
	else if (command_parse(line, &command))
		enqueue(&command);
	else
		fprintf(stderr,
			"pushback-demo: '%s' is no command: STEP:refuse|block:DURATION, none, "
			"rebalance, pause, resume or quit\n",
			line);
}

static void take_character(char c)
{
	if (c != '\n') {
		if (control.line_used == LINE_SIZE - 1)
			control.line_skip = true;
		else
			control.line[control.line_used++] = c;
		return;
	}
	control.line[control.line_used] = '\0';
	if (control.line_skip)
		fprintf(stderr, "pushback-demo: a line on stdin is too long\n");
	else
		obey(control.line);
	control.line_used = 0;
	control.line_skip = false;
}

/* False at its end. */
static bool read_stdin(void)
{
	char text[LINE_SIZE];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t i = 0; i < n; i++)
		take_character(text[i]);
	return n > 0;
}

static int time_left_ms(void)
{
	uint64_t now = clock_now();

	if (!control.end)
		return -1;
	if (control.end <= now)
		return 0;
	now = (control.end - now) / 1000000 + 1;
	return now > 3600000 ? 3600000 : (int)now;
}

static void *control_main(void *unused)
{
	struct pollfd fds[] = {
		{ .fd = control.wake_fd, .events = POLLIN },
		{ .fd = control.signal_fd, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};

	(void)unused;
	while (!control_stop()) {
		if (poll(fds, 3, time_left_ms()) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			return NULL;
		if (fds[1].revents || (control.end && clock_now() >= control.end))
			break;
		if (fds[2].revents && ((fds[2].revents & POLLNVAL) || !read_stdin()))
			fds[2].fd = -1;
	}
	stop();
	return NULL;
}

int control_start(uint64_t duration)
{
	pthread_condattr_t attributes;
	sigset_t signals;
	int err;

	/* In the background of a terminal, reading it then fails instead of stopping the process.
	 */
	signal(SIGTTIN, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	control.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	control.wake_fd = eventfd(0, EFD_CLOEXEC);
	if (control.signal_fd < 0 || control.wake_fd < 0)
		return -errno;
	if (duration)
		control.end = clock_now() + duration;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&control.changed, &attributes);
	pthread_condattr_destroy(&attributes);
	err = pthread_create(&control.thread, NULL, control_main, NULL);
	return -err;
}

void control_finish(void)
{
	eventfd_write(control.wake_fd, 1);
	pthread_join(control.thread, NULL);
	pthread_cond_destroy(&control.changed);
	close(control.wake_fd);
	close(control.signal_fd);
}

bool control_take(struct command *command)
{
	unsigned int waiting;

	pthread_mutex_lock(&control.lock);
	waiting = atomic_load(&control_waiting);
	if (waiting) {
		*command = control.queue[control.head];
		control.head = (control.head + 1) % QUEUE_SIZE;
		atomic_store(&control_waiting, waiting - 1);
	}
	pthread_mutex_unlock(&control.lock);
	return waiting > 0;
}

void control_wait(uint64_t until)
{
	struct timespec ts = clock_timespec(until);
	uint64_t now = clock_now();

	if (until < now + SPIN_NS) {
		while (clock_now() < until)
			;
		return;
	}
	pthread_mutex_lock(&control.lock);
	while (!control_stop() && !control_pending())
		if (pthread_cond_timedwait(&control.changed, &control.lock, &ts))
			break;
	pthread_mutex_unlock(&control.lock);
}
