/* SPDX-License-Identifier: MIT */
#include "doctor_worst.h"

bool doctor_worst(struct finding *worst, const struct doctor_pids *pids, doctor_judge_fn judge,
		  const void *context)
{
	size_t i;

	for (i = 0; i < pids->count && i < DOCTOR_PIDS_MOST; i++) {
		struct finding f = { .check = worst->check };

		judge(&f, pids->pids[i], context);
		if (!pids->is_asked)
			finding_add(&f, " (process %d)", (int)pids->pids[i]);
		if (!i || f.level > worst->level)
			*worst = f;
	}
	if (i < pids->count)
		finding_add(worst, "; %zu more process%s not examined", pids->count - i,
			    pids->count - i == 1 ? " was" : "es were");
	return i > 0;
}
