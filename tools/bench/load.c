/* SPDX-License-Identifier: MIT */
/*
 * load - so many steps in so many processes, of which so many are busy
 *
 *	load PROCESSES STEPS
 *
 * STEPS in all, in chains of 5. An active chain has a turn some four times a second: two with messages,
 * some ten a second, and one with a refusal by all of its steps, and so on. So in each second each of a
 * step's counters changes. Times are uneven on purpose: durations are not all of one bucket.
 *
 * On its input:
 *	active PERCENT	so many chains, of all processes alike; says "active N" (steps) once it is so
 *	truth		says "truth" with what was done since the beginning, all steps added up
 * All chains are idle at first, and what is open when one falls idle is closed. Who has nothing to do
 * sleeps. Ends with its input.
 */
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <pushback.h>

#define CHAIN         5
#define PROCESSES_MAX 1000
#define TURN_MS       250 /* to wake up is the dear part, with 500 processes */
#define AT_ONCE       4   /* messages */
#define MS_NS         1000000

struct truth {
	uint64_t accepted, forwarded, rejected, refused, send_episodes, receive_episodes;
};

/* Written by the parent; `done` and `truth` by the process. */
static struct shared {
	volatile unsigned int wish; /* which number it is */
	volatile unsigned int percent;
	struct slot {
		volatile unsigned int done; /* the wish that is fulfilled */
		volatile unsigned int active;
		struct truth truth;
	} slot[PROCESSES_MAX];
} * shared;

struct chain {
	struct pushback_step *steps;
	size_t count;
	size_t number; /* of all */
	unsigned int turns;
	int is_open;
};

static void wait_ms(unsigned int ms)
{
	struct timespec t = { .tv_nsec = (long)ms * MS_NS };

	nanosleep(&t, NULL);
}

/* From the last to the first, as calls return. */
static void offer(struct chain *c, enum pushback_outcome outcome)
{
	size_t i;

	for (i = c->count; i > 0; i--) {
		pushback_submit_return(&c->steps[i - 1], outcome);
		if (i > 1)
			pushback_forward_return(&c->steps[i - 2], outcome);
	}
}

static void refuse(struct chain *c, struct truth *truth)
{
	offer(c, PUSHBACK_REJECTED);
	truth->rejected += c->count;
	truth->refused += c->count - 1;
	c->is_open = 1;
}

static void accept_some(struct chain *c, struct truth *truth)
{
	unsigned int n;

	for (n = 0; n < AT_ONCE; n++)
		offer(c, PUSHBACK_ACCEPTED);
	truth->accepted += AT_ONCE * c->count;
	truth->forwarded += AT_ONCE * (c->count - 1);
	if (c->is_open) {
		truth->send_episodes += c->count;
		truth->receive_episodes += c->count - 1;
	}
	c->is_open = 0;
}

static void turn(struct chain *c, struct truth *truth)
{
	if (++c->turns % 3 == 0)
		refuse(c, truth);
	else
		accept_some(c, truth);
}

/* Spread evenly over all chains, and so over all processes. */
static int is_active(const struct chain *c, unsigned int percent)
{
	return c->number * percent / 100 != (c->number + 1) * percent / 100;
}

/* Returns how many steps are active. */
static unsigned int turn_all(struct chain *chains, size_t count, unsigned int percent,
			     struct truth *truth)
{
	unsigned int active = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		struct chain *c = &chains[i];

		if (is_active(c, percent)) {
			active += (unsigned int)c->count;
			turn(c, truth);
		} else if (c->is_open) {
			accept_some(c, truth);
		}
	}
	return active;
}

/* Its share of the steps begins with the `first`. */
static struct chain *make_chains(size_t first, size_t steps_count, size_t *count)
{
	struct pushback_step *steps = aligned_alloc(64, (steps_count + 1) * sizeof(*steps));
	struct chain *chains = calloc(steps_count / CHAIN + 1, sizeof(*chains));
	char name[32];
	size_t i;

	if (!steps || !chains)
		exit(1);
	for (i = 0; i < steps_count; i++) {
		struct chain *c = &chains[i / CHAIN];

		snprintf(name, sizeof(name), "step-%zu", first + i);
		pushback_step_init(&steps[i], name);
		if (!c->count++) {
			c->steps = &steps[i];
			c->number = (first + i) / CHAIN;
		}
	}
	*count = (steps_count + CHAIN - 1) / CHAIN;
	return chains;
}

static void consume(size_t first, size_t steps_count, struct slot *slot)
{
	size_t count;
	struct chain *chains = make_chains(first, steps_count, &count);
	unsigned int wish, dice = (unsigned int)first;

	for (;;) {
		wish = __atomic_load_n(&shared->wish, __ATOMIC_ACQUIRE);
		slot->active = turn_all(chains, count, shared->percent, &slot->truth);
		__atomic_store_n(&slot->done, wish, __ATOMIC_RELEASE);
		dice = dice * 1664525u + 1013904223u;
		if (slot->active)
			wait_ms(TURN_MS / 2 + (dice >> 16) % TURN_MS);
		else
			syscall(SYS_futex, &shared->wish, FUTEX_WAIT, wish, NULL);
	}
}

static int start_all(size_t processes, size_t steps)
{
	pid_t parent = getpid();
	size_t i, first = 0;

	for (i = 0; i < processes; i++) {
		/* Whole chains, but for the very last one. */
		size_t end =
			i + 1 < processes ? steps * (i + 1) / processes / CHAIN * CHAIN : steps;
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent) /* it has ended already */
				_exit(0);
			consume(first, end - first, &shared->slot[i]);
		}
		first = end;
	}
	return 0;
}

static void set_active(size_t processes, unsigned int percent)
{
	unsigned int active = 0;
	size_t i;

	shared->percent = percent;
	__atomic_add_fetch(&shared->wish, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &shared->wish, FUTEX_WAKE, INT_MAX);
	for (i = 0; i < processes; i++) {
		while (__atomic_load_n(&shared->slot[i].done, __ATOMIC_ACQUIRE) != shared->wish)
			wait_ms(5);
		active += shared->slot[i].active;
	}
	printf("active %u\n", active);
}

static void say_truth(size_t processes)
{
	struct truth all = { 0 };
	size_t i;

	for (i = 0; i < processes; i++) {
		const struct truth *t = &shared->slot[i].truth;

		all.accepted += t->accepted;
		all.forwarded += t->forwarded;
		all.rejected += t->rejected;
		all.refused += t->refused;
		all.send_episodes += t->send_episodes;
		all.receive_episodes += t->receive_episodes;
	}
	printf("truth submit_accepted=%lu submit_forwarded=%lu send_backpressure=%lu "
	       "receive_backpressure=%lu send_backpressure_episodes=%lu "
	       "receive_backpressure_episodes=%lu\n",
	       all.accepted, all.forwarded, all.rejected, all.refused, all.send_episodes,
	       all.receive_episodes);
}

static void obey(size_t processes)
{
	char line[64];
	unsigned int percent;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "active %u", &percent) == 1)
			set_active(processes, percent);
		else if (!strcmp(line, "truth\n"))
			say_truth(processes);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	size_t processes = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	size_t steps = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	if (processes < 1 || processes > PROCESSES_MAX || steps < processes)
		return 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || start_all(processes, steps))
		return 1;
	puts("ready");
	fflush(stdout);
	obey(processes);
	return 0;
}
