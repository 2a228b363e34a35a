/* SPDX-License-Identifier: MIT */
/*
 * watched.h - two steps and an observer of them, for the tests of pushback.h; after cmocka.h
 */
#ifndef WATCHED_H
#define WATCHED_H

#include "observer.h"

#define SECOND       1000000000ull
#define ACCEPTED     PUSHBACK_ACCEPTED
#define REJECTED     PUSHBACK_REJECTED
#define PROPAGATED   PUSHBACK_PROPAGATED
#define SEND         PUSHBACK_SEND
#define RECEIVE      PUSHBACK_RECEIVE
#define OPEN_SEND    PUSHBACK_OPEN
#define OPEN_RECEIVE (PUSHBACK_OPEN << 1)

static struct pushback_step a __attribute__((unused)), b __attribute__((unused));

static inline int set_up(void **state)
{
	(void)state;
	pushback_step_init(&a, "a");
	pushback_step_init(&b, "b");
	pushback_here.called = 0;
	observer_forget();
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	observer_arm(0);
	pushback_semaphore = 0;
	return 0;
}

/* The fires since last asked: exactly `count`; the last of them. */
static inline const struct observer_fire *fired(unsigned int count)
{
	assert_int_equal(observer_count, count);
	observer_forget();
	return &observer_fires[count ? count - 1 : 0];
}

/* As if `ns` had gone by since the step's last fire and look. */
static inline void age(struct pushback_step *s, uint64_t ns)
{
	s->fired -= ns;
	s->looked -= ns;
	s->watch_since -= ns;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif /* WATCHED_H */
