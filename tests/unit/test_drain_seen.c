/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drain_seen.h"

static struct pb_step_key key_of(uint64_t instance)
{
	return (struct pb_step_key){ .process = { .tgid = 7 }, .instance = instance };
}

static struct seen *next(struct seen_table *t, uint64_t instance)
{
	struct pb_step_key key = key_of(instance);

	return seen_next(t, &key);
}

static struct seen *get(struct seen_table *t, uint64_t instance)
{
	struct pb_step_key key = key_of(instance);

	return seen_get(t, &key);
}

static void walk(struct seen_table *t, const uint64_t *instances, size_t count)
{
	seen_begin(t);
	for (size_t i = 0; i < count; i++) {
		struct seen *seen = next(t, instances[i]);

		assert_non_null(seen);
		assert_int_equal(seen->key.instance, instances[i]);
	}
}

static void test_each_step_is_made_once(void **state)
{
	struct seen_table t = { 0 };
	struct seen *seen = get(&t, 1);

	(void)state;
	assert_non_null(seen);
	assert_ptr_equal(get(&t, 1), seen);
	assert_ptr_not_equal(get(&t, 2), seen);
	seen_free(&t);
	assert_null(t.steps);
}

static void test_walks_find_each_in_any_order(void **state)
{
	static const uint64_t walks[][4] = {
		{ 1, 2, 3, 4 }, { 1, 2, 3, 4 }, { 4, 3, 2, 1 }, { 2, 2, 1, 4 }, { 1, 2, 3, 4 },
	};
	struct seen_table t = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 4; i++)
		get(&t, i);
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++)
		walk(&t, walks[i], 1 + i % 4);
	assert_null(next(&t, 5));
	seen_free(&t);
}

static void test_walks_do_not_find_what_is_forgotten(void **state)
{
	static const uint64_t all[] = { 1, 2, 3 }, left[] = { 1, 3 };
	struct seen_table t = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 3; i++)
		get(&t, i);
	walk(&t, all, 3);
	seen_forget(&t, get(&t, 2));
	walk(&t, left, 2);
	seen_begin(&t);
	assert_null(next(&t, 2));
	walk(&t, left, 2);
	seen_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_step_is_made_once),
		cmocka_unit_test(test_walks_find_each_in_any_order),
		cmocka_unit_test(test_walks_do_not_find_what_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
