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

static const char *plan_step(struct chain *chain, char *spec, size_t after)
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
		return "a kind is decode, filter, transform, guard, batch, broadcast or sink";
	chain->plan[chain->length].after = after;
	chain->length++;
	return NULL;
}

const char *chain_plan(struct chain *chain, const char *steps)
{
	char *spec = strdup(steps);
	size_t after = 0, split = CHAIN_MAX;

	chain->names = spec;
	chain->length = 0;
	if (!spec)
		return "out of memory";
	for (;;) {
		char *end = spec + strcspn(spec, ",/"), separator = *end;
		const char *wrong;

		*end = '\0';
		wrong = plan_step(chain, spec, after);
		if (wrong)
			return wrong;
		after = chain->length - 1;
		if (chain->plan[after].ops == &step_broadcast)
			split = after;
		if (!separator)
			return NULL;
		if (separator == '/' && split == CHAIN_MAX)
			return "a branch begins behind a broadcast step";
		if (separator == '/')
			after = split;
		spec = end + 1;
	}
}

bool chain_has(const struct chain *chain, const char *name)
{
	for (size_t i = 0; i < chain->length; i++)
		if (!strcmp(chain->plan[i].name, name))
			return true;
	return false;
}

/* Those that it hands on to: they are made already. */
static bool link_step(const struct chain *chain, size_t i, struct step *step)
{
	for (size_t k = i + 1; k < chain->length; k++) {
		if (chain->plan[k].after != i)
			continue;
		if (step->branch_count == STEP_BRANCHES)
			return false;
		step->branches[step->branch_count++] = chain->steps[k];
	}
	step->next = step->branches[0];
	return true;
}

static struct step *make_step(const struct chain *chain, size_t i)
{
	struct step *step = aligned_alloc(_Alignof(struct step), sizeof(*step));

	if (!step)
		return NULL;
	memset(step, 0, sizeof(*step));
	step->ops = chain->plan[i].ops;
	if (!link_step(chain, i, step)) {
		free(step);
		return NULL;
	}
	step->capacity = step->ops == &step_batch ? chain->batch_size : chain->concurrency;
	truth_begin(&step->truth, chain->plan[i].name,
		    step->branch_count == 1 ? step->next->truth.id : 0);
	pushback_step_init(&step->probe, chain->plan[i].name);
	return step;
}

int chain_begin(struct chain *chain)
{
	for (size_t i = chain->length; i-- > 0;) {
		chain->steps[i] = make_step(chain, i);
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

void chain_set_slow(struct chain *chain, const struct slow_list *slow)
{
	chain->slow = *slow;
	for (size_t i = 0; i < chain->length; i++) {
		const struct slow_request *how = slow_find(&chain->slow, chain->plan[i].name);

		step_set_slow(chain->steps[i], how ? how->mode : SLOW_NOT, how ? how->duration : 0);
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
