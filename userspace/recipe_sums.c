/* SPDX-License-Identifier: MIT */
#include "recipe_sums.h"

#include <stdio.h>
#include <string.h>

/* ---- Sums ---- */

/* A glob without a name of its own has a step for each class: they share its number, not its name. */
static struct checked_step *step_of(const struct pb_rule *rule, struct checked_step *steps,
				    size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		if (steps[i].number == rule->step && !strcmp(steps[i].name, rule->name))
			return &steps[i];
	steps[*count] = (struct checked_step){ .name = rule->name, .number = rule->step };
	return &steps[(*count)++];
}

static void add_tally(struct checked_step *step, const struct recipe_site *site,
		      enum pb_rule_kind kind, const struct pb_tally *tally)
{
	bool leaves = site->hit == RECIPE_LEAVE || site->hit == RECIPE_JUMP ||
		      site->hit == RECIPE_LEAVE_RETURN;

	step->hits += tally->hits;
	step->unread += tally->unread;
	step->unknown += tally->unknown;
	if (site->hit == RECIPE_ENTER)
		step->unplaced[kind] += tally->unread;
	else
		step->untold[kind] += tally->unread + tally->unknown;
	if (!leaves)
		step->calls[kind] += tally->hits;
	if (leaves && kind == PB_RULE_SUBMIT)
		step->returns += tally->hits;
	if (kind == PB_RULE_POLL) {
		step->ready += tally->outcomes[PUSHBACK_ACCEPTED];
		step->polled +=
			tally->outcomes[PUSHBACK_ACCEPTED] + tally->outcomes[PUSHBACK_REJECTED];
	}
	for (int i = 0; kind == PB_RULE_SUBMIT && i < 4; i++)
		step->outcomes[i] += tally->outcomes[i];
}

/* Of one function: its entry, and the dearest of its returns. */
static uint64_t cost_of_rule(const struct checked_file *file, uint32_t rule,
			     const struct hit_cost *cost)
{
	uint64_t entry = 0, dearest = 0;

	for (size_t i = 0; i < file->sites->sites_count; i++) {
		const struct recipe_site *site = &file->sites->sites[i];
		uint64_t ns = hit_cost_of(cost, site);

		if (site->rule != rule)
			continue;
		if (site->hit == RECIPE_ENTER || site->hit == RECIPE_ALL)
			entry = ns;
		else if (ns > dearest)
			dearest = ns;
	}
	return entry + dearest;
}

static void look_at_others(struct checked_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			steps[i].others_hit |=
				i != j && steps[j].hits && steps[i].number == steps[j].number;
}

size_t recipe_sums(const struct checked_file *file, const struct hit_cost *cost,
		   struct checked_step *out)
{
	const struct recipe_sites *sites = file->sites;
	size_t count = 0;

	for (size_t i = 0; sites && i < sites->rules_count; i++) {
		const struct pb_rule *rule = &sites->rules[i].rule;
		struct checked_step *step = step_of(rule, out, &count);
		uint64_t ns = cost ? cost_of_rule(file, (uint32_t)i, cost) : 0;

		if (ns > step->cost_ns[rule->kind])
			step->cost_ns[rule->kind] = ns;
	}
	for (size_t i = 0; file->tallies && i < sites->sites_count; i++) {
		const struct pb_rule *rule = &sites->rules[sites->sites[i].rule].rule;

		add_tally(step_of(rule, out, &count), &sites->sites[i],
			  (enum pb_rule_kind)rule->kind, &file->tallies[i]);
	}
	look_at_others(out, count);
	return count;
}

/* ---- What they say ---- */

/* Results that mean something. */
static uint64_t meant(const struct checked_step *step)
{
	return step->outcomes[PUSHBACK_ACCEPTED] + step->outcomes[PUSHBACK_REJECTED] +
	       step->outcomes[PUSHBACK_PROPAGATED];
}

/* Of no call it is known whose it is. One that can be read may be under way. */
static bool is_unplaced(const struct checked_step *step, enum pb_rule_kind kind)
{
	return step->unplaced[kind] && step->unplaced[kind] == step->calls[kind];
}

static bool is_submit_wrong(const struct checked_step *step, char *why, size_t size)
{
	uint64_t invalid = step->outcomes[PUSHBACK_INVALID], untold = step->untold[PB_RULE_SUBMIT];
	unsigned long long all = invalid + untold + step->unplaced[PB_RULE_SUBMIT];

	if (meant(step) || (!invalid && !untold && !is_unplaced(step, PB_RULE_SUBMIT)))
		return false;
	if (!invalid && !untold)
		snprintf(why, size,
			 "of none of %llu submits instance or message could be read: is instance = "
			 "where the recipe says?",
			 all);
	else if (untold > invalid)
		snprintf(why, size,
			 "none of %llu results could be read, or was one that the function can "
			 "return: is result = where the recipe says, and of that width?",
			 all);
	else
		snprintf(why, size,
			 "none of %llu results was accepted or rejected, all were invalid: is "
			 "result = elsewhere or of another width, or do other values mean accepted "
			 "= "
			 "and rejected =? If all messages were bad just then, give --duration",
			 all);
	return true;
}

static bool is_poll_wrong(const struct checked_step *step, char *why, size_t size)
{
	unsigned long long polls = step->calls[PB_RULE_POLL];

	if (step->polled)
		return false;
	if (is_unplaced(step, PB_RULE_POLL))
		snprintf(why, size,
			 "of none of %llu polls instance could be read: does poll get it as "
			 "submit does?",
			 polls);
	else if (step->untold[PB_RULE_POLL])
		snprintf(why, size,
			 "of none of %llu polls what it returns could be read: is ready = where "
			 "the recipe says?",
			 polls);
	else
		return false;
	return true;
}

/*
 * Submits that were begun and of whose end nothing is known. Sites come and go one after the other, and a
 * call may be under way, so a few prove nothing.
 */
static unsigned long long unended(const struct checked_step *step)
{
	uint64_t calls = step->calls[PB_RULE_SUBMIT];
	uint64_t known = meant(step) + step->outcomes[PUSHBACK_INVALID] +
			 step->unplaced[PB_RULE_SUBMIT] + step->untold[PB_RULE_SUBMIT];

	return calls >= 20 && known < calls && (calls - known) * 10 > calls ? calls - known : 0;
}

/* It tells something; what of it is odd? */
static const char *doubt_of(const struct checked_step *step)
{
	if (step->unread)
		return "an instance or a result could not be read: is it where the recipe says?";
	if (step->unknown)
		return "a result was none that the function can return: is it where the recipe "
		       "says?";
	/* One call may be under way. */
	if (step->calls[PB_RULE_SUBMIT] > 1 && step->returns + meant(step) == 0)
		return "submit was entered, but no return of it was hit: does it end in another "
		       "function, or by an exception?";
	/* Of all classes that a pattern matches some are seldom used; the table has them. */
	if (!step->hits && !step->others_hit)
		return "no hit: is it driven, and by these functions?";
	return NULL;
}

enum recipe_judgement recipe_judge(const struct checked_step *step, char *why, size_t why_size)
{
	unsigned long long invalid = step->outcomes[PUSHBACK_INVALID], lost = unended(step);
	const char *doubt = doubt_of(step);

	if (is_submit_wrong(step, why, why_size) || is_poll_wrong(step, why, why_size))
		return RECIPE_WRONG;
	if (!doubt && lost) {
		snprintf(why, why_size,
			 "%llu of %llu submits ended in what is not probed, and told nothing: in a "
			 "function that they jumped to, by an exception, or on another stack? name "
			 "that function as well, or see returns =",
			 lost, (unsigned long long)step->calls[PB_RULE_SUBMIT]);
		return RECIPE_DOUBTFUL;
	}
	if (!doubt && invalid) {
		snprintf(why, why_size,
			 "%llu of %llu results were invalid: are these messages bad, or do other "
			 "values mean accepted = and rejected = as well?",
			 invalid, invalid + (unsigned long long)meant(step));
		return RECIPE_DOUBTFUL;
	}
	if (doubt)
		snprintf(why, why_size, "%s", doubt);
	return doubt ? RECIPE_DOUBTFUL : RECIPE_RIGHT;
}
