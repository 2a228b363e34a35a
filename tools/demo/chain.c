/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"

static const struct step_ops *find_kind(const char *kind)
{
	for (const struct step_ops *const *ops = step_kinds; *ops; ops++)
		if (!strcmp((*ops)->kind, kind))
			return *ops;
	return NULL;
}

static const char *plan_step(struct chain *chain, char *spec)
{
	char *kind = strchr(spec, '=');

	if (kind)
		*kind++ = '\0';
	if (!*spec)
		return "a step has no name";
	if (chain->length == CHAIN_MAX)
		return "there are more than 64";
	if (chain_has(chain, spec))
		return "two steps have the same name";
	chain->plan[chain->length].name = spec;
	chain->plan[chain->length].ops = find_kind(kind ? kind : spec);
	if (!chain->plan[chain->length].ops)
		return "a kind is decode, filter, transform, guard, batch or sink";
	chain->length++;
	return NULL;
}

const char *chain_plan(struct chain *chain, const char *steps)
{
	char *rest = strdup(steps);

	chain->names = rest;
	chain->length = 0;
	if (!rest)
		return "out of memory";
	while (rest) {
		char *spec = strsep(&rest, ",");
		const char *wrong = plan_step(chain, spec);

		if (wrong)
			return wrong;
	}
	return NULL;
}

bool chain_has(const struct chain *chain, const char *name)
{
	for (size_t i = 0; i < chain->length; i++)
		if (!strcmp(chain->plan[i].name, name))
			return true;
	return false;
}

static struct step *make_step(const struct chain *chain, size_t i, struct step *next)
{
	struct step *step = aligned_alloc(_Alignof(struct step), sizeof(*step));

	if (!step)
		return NULL;
	memset(step, 0, sizeof(*step));
	step->ops = chain->plan[i].ops;
	step->next = next;
	step->capacity = step->ops == &step_batch ? chain->batch_size : chain->concurrency;
	truth_begin(&step->truth, chain->plan[i].name, next ? next->truth.id : 0);
	pushback_step_init(&step->probe, chain->plan[i].name);
	return step;
}

int chain_begin(struct chain *chain)
{
	for (size_t i = chain->length; i-- > 0;) {
		struct step *next = i + 1 < chain->length ? chain->steps[i + 1] : NULL;

		chain->steps[i] = make_step(chain, i, next);
		if (!chain->steps[i]) {
			chain_end(chain);
			return -ENOMEM;
		}
	}
	chain_set_slow(chain, &chain->slow);
	return 0;
}

void chain_end(struct chain *chain)
{
	for (size_t i = 0; i < chain->length; i++) {
		if (!chain->steps[i])
			continue;
		chain->ended[i] = chain_counts(chain, i);
		step_tell_end(chain->steps[i]);
		free(chain->steps[i]);
		chain->steps[i] = NULL;
	}
}

void chain_set_slow(struct chain *chain, const struct slow_request *slow)
{
	chain->slow = *slow;
	for (size_t i = 0; i < chain->length; i++) {
		bool is_slow = !strcmp(chain->plan[i].name, chain->slow.step);

		step_set_slow(chain->steps[i], is_slow ? chain->slow.mode : SLOW_NOT,
			      chain->slow.duration);
	}
}

bool chain_drained(struct chain *chain)
{
	for (size_t i = 0; i < chain->length; i++) {
		struct step *step = chain->steps[i];

		if (step->ops->flush)
			step->ops->flush(step);
		if (!step->ops->idle(step))
			return false;
	}
	return true;
}

void chain_cut_truth(struct chain *chain)
{
	for (size_t i = 0; i < chain->length; i++)
		truth_cut(&chain->steps[i]->truth);
}

struct step_counts chain_counts(const struct chain *chain, size_t i)
{
	struct step_counts counts = chain->ended[i];

	if (chain->steps[i])
		for (size_t outcome = 0; outcome < 4; outcome++)
			counts.submits[outcome] += chain->steps[i]->counts.submits[outcome];
	return counts;
}

void chain_free(struct chain *chain)
{
	chain_end(chain);
	free(chain->names);
}
