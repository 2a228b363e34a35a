/* SPDX-License-Identifier: MIT */
/* step_series.h - the model's series of steps, without those of consumers, for tests */
#ifndef STEP_SERIES_H
#define STEP_SERIES_H

#include "model.h"

#define STEP_SERIES_MAX 4096

/* As model_series(); valid until the next call. */
static inline const struct series *const *step_series(const struct model *m, size_t *count)
{
	static const struct series *found[STEP_SERIES_MAX];
	size_t all;
	const struct series *const *series = model_series(m, &all);

	*count = 0;
	for (size_t i = 0; i < all && *count < STEP_SERIES_MAX; i++)
		if (series[i]->step)
			found[(*count)++] = series[i];
	return found;
}

/* The only series of a consumer; NULL: there are none, or several. */
static inline const struct series *consumer_series(const struct model *m)
{
	const struct series *found = NULL;
	size_t all, count = 0;
	const struct series *const *series = model_series(m, &all);

	for (size_t i = 0; i < all; i++) {
		if (series[i]->step)
			continue;
		found = series[i];
		count++;
	}
	return count == 1 ? found : NULL;
}

#endif /* STEP_SERIES_H */
