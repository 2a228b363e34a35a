/* SPDX-License-Identifier: MIT */
#include "stuck.h"

#include <stdlib.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* One that was told of and has not ended. */
struct spell_told {
	uint64_t id;   /* of the series */
	uint64_t ns;   /* as of the last look */
	uint64_t walk; /* that has found it */
	bool held_up, gone;
	char process[16], step[PUSHBACK_NAME_SIZE];
	char *tags;
	UT_hash_handle hh;
};

struct stuck {
	uint64_t ns;
	uint64_t walk;
	struct spell_told *told;
};

struct stuck *stuck_new(uint64_t ns)
{
	struct stuck *s = calloc(1, sizeof(*s));

	if (s)
		s->ns = ns;
	return s;
}

static void forget(struct stuck *s, struct spell_told *told)
{
	HASH_DEL(s->told, told);
	free(told->tags);
	free(told);
}

void stuck_free(struct stuck *s)
{
	struct spell_told *told, *next;

	if (!s)
		return;
	HASH_ITER (hh, s->told, told, next)
		forget(s, told);
	free(s);
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
}

/* NULL when out of memory. */
static struct spell_told *remember(struct stuck *s, const struct series *series)
{
	struct spell_told *told = calloc(1, sizeof(*told));
	char *tags = strdup(series->tags);

	if (!told || !tags) {
		free(told);
		free(tags);
		return NULL;
	}
	told->id = series->id;
	told->gone = true;
	told->tags = tags;
	copy_text(told->process, sizeof(told->process), series->process);
	copy_text(told->step, sizeof(told->step), series->step);
	HASH_ADD(hh, s->told, id, sizeof(told->id), told);
	if (told->hh.tbl)
		return told;
	free(tags);
	free(told);
	return NULL;
}

static void tell(const struct spell_told *told, bool ended, stuck_fn *fn, void *context)
{
	const struct stuck_news news = {
		.process = told->process,
		.step = told->step,
		.tags = told->tags,
		.held_up = told->held_up,
		.ended = ended,
		.gone = ended && told->gone,
		.ns = told->ns,
	};

	fn(&news, context);
}

static uint64_t longest(const struct series *series)
{
	uint64_t send = series->gauge[GAUGE_SEND_SPELL],
		 receive = series->gauge[GAUGE_RECEIVE_SPELL];

	return send > receive ? send : receive;
}

static struct spell_told *find(const struct stuck *s, const struct series *series)
{
	struct spell_told *told;

	HASH_FIND(hh, s->told, &series->id, sizeof(series->id), told);
	return told;
}

/* Those that go on. */
static void look_again(struct stuck *s, const struct series *series)
{
	uint64_t ns = longest(series);
	struct spell_told *told = find(s, series);

	if (!told)
		return;
	told->gone = !series->gauge[GAUGE_INSTANCES];
	if (!ns)
		return;
	told->ns = ns;
	told->walk = s->walk;
}

/* Those that have become so long. */
static void look_for(struct stuck *s, const struct series *series, bool held_up, stuck_fn *fn,
		     void *context)
{
	uint64_t ns = longest(series);
	struct spell_told *told;

	/* Of most there is nothing to be found. */
	if (ns < s->ns || !series->gauge[GAUGE_RECEIVE_SPELL] != !held_up || find(s, series))
		return;
	told = remember(s, series);
	if (!told)
		return;
	told->held_up = held_up;
	told->ns = ns;
	told->walk = s->walk;
	tell(told, false, fn, context);
}

void stuck_look(struct stuck *s, const struct model *m, stuck_fn *fn, void *context)
{
	struct spell_told *told, *next;
	size_t count, i;
	const struct series *const *series = model_series(m, &count);

	s->walk++;
	for (i = 0; s->told && i < count; i++)
		look_again(s, series[i]);
	HASH_ITER (hh, s->told, told, next) {
		if (told->walk == s->walk)
			continue;
		tell(told, true, fn, context);
		forget(s, told);
	}
	for (i = 0; i < count; i++)
		if (series[i]->step)
			look_for(s, series[i], false, fn, context);
	for (i = 0; i < count; i++)
		if (series[i]->step)
			look_for(s, series[i], true, fn, context);
}
