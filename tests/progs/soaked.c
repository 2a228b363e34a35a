/* SPDX-License-Identifier: MIT */
/*
 * soaked - a consumer that does at random what consumers do, for hours, and knows its own truth
 *
 *	soaked TRUTH SEED
 *
 * On stdin, a letter each: p pause, m a return of each step while nobody watches, r resume, n new steps
 * where the old ones are, without step_end, w the same where memory was written over, e step_end of all and
 * exit, q exit. Answers with the letter when it is done. What it did stands in the file TRUTH at any moment, also at that of SIGKILL:
 * of the call that was under way both what was before it and what is after it.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <pushback.h>

#define STEPS 5

enum {
	ACCEPTED,
	REJECTED,
	FORWARDED,
	REFUSED,
	EPISODES,
	PARTIAL = EPISODES + 2,
	ABANDONED = PARTIAL + 2,
	COUNTS = ABANDONED + 2
};

/* Of all instances of a step. Read by soak.py. */
struct counts {
	uint64_t n[COUNTS];
	uint64_t open[2];
	uint64_t partial[2]; /* what is open */
	uint64_t missed[2];  /* nothing was seen since it ran unwatched */
};

struct truth {
	struct counts step[STEPS];
	struct counts before, after; /* of the step that is being called */
	uint64_t calling;            /* its number from 1 on, or 0 */
	/* So much less or more than that may have been told of those that were written over. */
	uint64_t less[STEPS][COUNTS], more[STEPS][COUNTS];
	uint64_t
		hidden; /* written over, and the kernel side does not know: the new one has told nothing */
	uint64_t found; /* written over, and the new one has told */
	uint64_t ended; /* by itself: nothing is open any more */
};

enum op { SUBMIT, FORWARD, POLL, OPS };

static const char *const names[STEPS] = { "decode", "filter", "transform", "batch", "sink" };
static struct pushback_step steps[STEPS];
static struct counts told[STEPS];      /* as of its last fire */
static bool hides[STEPS];              /* it is where one was written over, and has told nothing */
static uint64_t hidden_open[STEPS][2]; /* what that one left open */
static volatile struct truth *truth;
static uint64_t random_state;
static int pressure; /* of 100 submits so many are refused */

static uint64_t pick(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static void rest(uint64_t us)
{
	struct timespec t = { (time_t)(us / 1000000), (long)(us % 1000000 * 1000) };

	nanosleep(&t, NULL);
}

/* ---- The truth ---- */

/* By the words of the design, and by no code of the header. */
static void close_episode(struct counts *c, int direction)
{
	if (c->open[direction])
		c->n[(c->partial[direction] ? PARTIAL : EPISODES) + direction]++;
	c->open[direction] = c->missed[direction] = 0;
}

static void open_episode(struct counts *c, int direction)
{
	if (!c->open[direction])
		c->partial[direction] = c->missed[direction];
	c->open[direction] = 1;
	c->missed[direction] = 0;
}

static void apply(struct counts *c, enum op op, uint32_t value)
{
	bool refused =
		value == PUSHBACK_REJECTED || (op == FORWARD && value == PUSHBACK_PROPAGATED);
	int direction = op == FORWARD;

	if (op == POLL) {
		if (value)
			close_episode(c, 0);
	} else if (refused) {
		c->n[direction ? REFUSED : REJECTED]++;
		open_episode(c, direction);
	} else if (value == PUSHBACK_ACCEPTED) {
		c->n[direction ? FORWARDED : ACCEPTED]++;
		close_episode(c, direction);
	}
}

static void abandon(struct counts *c)
{
	for (int direction = 0; direction < 2; direction++) {
		c->n[ABANDONED + direction] += c->open[direction];
		c->open[direction] = 0;
	}
}

#define BARRIER() __asm__ volatile("" ::: "memory")

static void begin(int i, const struct counts *after)
{
	truth->before = truth->step[i];
	truth->after = *after;
	BARRIER();
	truth->calling = (uint64_t)i + 1;
	BARRIER();
}

static void end(int i)
{
	BARRIER();
	truth->step[i] = truth->after;
	BARRIER();
	truth->calling = 0;
}

/* ---- Calls ---- */

static void probe(struct pushback_step *s, enum op op, uint32_t value)
{
	switch (op) {
	case SUBMIT:
		pushback_submit_return(s, (enum pushback_outcome)value);
		break;
	case FORWARD:
		pushback_forward_return(s, (enum pushback_outcome)value);
		break;
	default:
		pushback_poll_return(s, (int)value);
	}
}

static void set_hides(int i, bool does)
{
	truth->hidden += (uint64_t)does - (uint64_t)hides[i];
	hides[i] = does;
	BARRIER();
}

static void call(int i, enum op op, uint32_t value)
{
	uint64_t fired = steps[i].fired;
	struct counts after = truth->step[i];

	apply(&after, op, value);
	begin(i, &after);
	probe(&steps[i], op, value);
	end(i);
	if (!steps[i].fired || steps[i].fired == fired)
		return;
	told[i] = after;
	truth->found += hides[i];
	set_hides(i, false);
}

static void call_any(void)
{
	int i = (int)pick(STEPS);
	enum op op = (enum op)pick(OPS);
	uint32_t value = PUSHBACK_ACCEPTED;

	if (op == POLL)
		value = pick(100) >= (uint64_t)pressure;
	else if (pick(100) < (uint64_t)pressure)
		value = PUSHBACK_REJECTED;
	else if (!pick(8))
		value = (uint32_t)(PUSHBACK_PROPAGATED + pick(2));
	if (op == SUBMIT && !pick(4))
		pushback_submit_enter(&steps[i]);
	pushback_depth(&steps[i], (uint32_t)pick(5), 4);
	call(i, op, value);
}

/* ---- New steps ---- */

/* What is not told was seen or not, and what is open may be so only here or only there. */
static void doubt(int i)
{
	struct counts seen = told[i], all = truth->step[i];

	abandon(&seen);
	abandon(&all);
	for (int n = 0; n < COUNTS; n++) {
		if (all.n[n] > seen.n[n])
			truth->less[i][n] += all.n[n] - seen.n[n];
		else
			truth->more[i][n] += seen.n[n] - all.n[n];
	}
}

static void write_over(int i)
{
	doubt(i);
	for (int direction = 0; !hides[i] && direction < 2; direction++)
		hidden_open[i][direction] = truth->step[i].open[direction];
	if (steps[i].fired)
		set_hides(i, true);
	memset(&steps[i], 0xee, sizeof(steps[i]));
}

static void renew(bool over)
{
	for (int i = 0; i < STEPS; i++) {
		struct counts after = truth->step[i];

		abandon(&after);
		after.missed[0] = after.missed[1] = 0;
		begin(i, &after);
		if (over)
			write_over(i);
		pushback_step_init(&steps[i], names[i]);
		end(i);
		told[i] = after;
	}
}

/* Nobody watches: a return each, so that the steps know. */
static void miss(void)
{
	for (int i = 0; i < STEPS; i++) {
		struct counts after = truth->step[i];

		for (int direction = 0; direction < 2; direction++) {
			after.open[direction] = 0;
			after.missed[direction] = 1;
			/* Who watched was not told that there is a new one, and is gone. */
			if (hides[i])
				truth->less[i][ABANDONED + direction] += hidden_open[i][direction];
		}
		set_hides(i, false);
		begin(i, &after);
		probe(&steps[i], SUBMIT, PUSHBACK_INVALID);
		end(i);
		told[i] = after;
	}
}

static void end_all(void)
{
	for (int i = 0; i < STEPS; i++) {
		struct counts after = truth->step[i];

		abandon(&after);
		begin(i, &after);
		pushback_step_end(&steps[i]);
		end(i);
	}
}

/* What is open is abandoned by the exit. */
static void leave(void)
{
	for (int i = 0; i < STEPS; i++) {
		struct counts after = truth->step[i];

		abandon(&after);
		begin(i, &after);
		end(i);
	}
	truth->ended = 1;
	_exit(0);
}

/* ---- Its life ---- */

static void answer(char letter)
{
	if (write(STDOUT_FILENO, &letter, 1) != 1)
		leave();
}

static void obey(char letter)
{
	if (letter == 'n' || letter == 'w')
		renew(letter == 'w');
	if (letter == 'm')
		miss();
	if (letter == 'e')
		end_all();
	if (letter == 'e' || letter == 'q')
		leave();
	answer(letter);
}

/* Waits for a letter as long as it is paused. */
static void listen_to_stdin(void)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
	bool paused = false;
	char letter;

	while (poll(&fd, 1, paused ? -1 : 0) > 0) {
		if (read(STDIN_FILENO, &letter, 1) != 1)
			leave();
		obey(letter);
		paused = letter == 'p' || (paused && letter != 'r');
	}
}

/* Calm, under pressure, stuck, or idle for seconds. */
static void change_mood(void)
{
	static const int pressures[] = { 0, 5, 50, 95, 100 };

	pressure = pressures[pick(5)];
	if (!pick(20))
		rest(1000000 + pick(2000000));
}

static int open_truth(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	void *memory;

	if (fd < 0 || ftruncate(fd, sizeof(*truth)))
		return -1;
	memory = mmap(NULL, sizeof(*truth), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	truth = memory;
	return memory == MAP_FAILED ? -1 : 0;
}

int main(int argc, char **argv)
{
	if (argc != 3 || open_truth(argv[1])) {
		fprintf(stderr, "usage: soaked TRUTH SEED\n");
		return 2;
	}
	random_state = strtoull(argv[2], NULL, 10) * 2 + 1;
	for (int i = 0; i < STEPS; i++)
		pushback_step_init(&steps[i], names[i]);
	answer('.');
	for (;;) {
		listen_to_stdin();
		if (!pick(200))
			change_mood();
		for (uint64_t n = pick(60); n; n--)
			call_any();
		rest(500 + pick(4000));
	}
}
