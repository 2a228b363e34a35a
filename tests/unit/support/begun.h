/* SPDX-License-Identifier: MIT */
/* begun.h - a model whose first second has begun, and its drains, for tests */
#ifndef BEGUN_H
#define BEGUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "model.h"
#include "records.h"

#define START (1000 * SEC)

static inline int begun_setup(void **state)
{
	struct model *m = model_new();

	*state = m;
	if (!m)
		return -1;
	model_begin(m, START);
	model_end(m);
	return 0;
}

static inline int begun_teardown(void **state)
{
	model_free(*state);
	return 0;
}

static inline void drain_all(struct model *m, uint64_t now, const struct record *records,
			     size_t count)
{
	model_begin(m, now);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(model_record(m, &records[i], ""), 0);
	model_end(m);
}

#endif /* BEGUN_H */
