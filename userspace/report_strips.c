/* SPDX-License-Identifier: MIT */
#include "report_strips.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_processes(const struct pb_process_key *a, const struct pb_process_key *b)
{
	int order = compare_numbers(a->tgid, b->tgid);

	if (!order)
		order = compare_numbers(a->start_time, b->start_time);
	return order ? order : compare_numbers(a->exec_id, b->exec_id);
}

static int compare_consumers(const struct recorder_strip *a, const struct recorder_strip *b)
{
	int order = compare_processes(&a->key.process, &b->key.process);

	return order ? order : compare_numbers(a->consumer, b->consumer);
}

static int by_pipeline(const void *x, const void *y)
{
	const struct recorder_strip *a = ((const struct report_step *)x)->strip;
	const struct recorder_strip *b = ((const struct report_step *)y)->strip;
	int order = compare_consumers(a, b);

	if (!order)
		order = compare_numbers(a->level, b->level);
	return order ? order : compare_numbers(a->key.instance, b->key.instance);
}

static int by_trouble(const void *x, const void *y)
{
	const struct report_consumer *a = x, *b = y;

	return compare_numbers(b->refusing, a->refusing);
}

/* A step that was there, whether or not it was driven. */
static bool was_there(const struct recorder *r, const struct recorder_strip *strip, uint64_t from)
{
	return !strip->ended || strip->ended - recorder_began(r) >= from * 1000000000u;
}

static void choose_width(struct report_strips *s, const struct recorder *r, uint64_t last_s,
			 size_t most)
{
	uint64_t first = recorder_first_second(r), seconds;

	s->until = recorder_seconds(r);
	s->from = last_s && s->until > last_s ? s->until - last_s : 0;
	s->from = s->from < first ? first : s->from;
	seconds = s->until - s->from;
	s->width = seconds > most ? (seconds + most - 1) / most : 1;
	s->cell_count = (seconds + s->width - 1) / s->width;
}

static void fill_step(struct report_strips *s, struct report_step *step, size_t number)
{
	step->cells = &s->cells[number * s->cell_count];
	recorder_add(step->strip, s->from, s->until, &step->all);
	for (size_t i = 0; i < s->cell_count; i++) {
		uint64_t from = s->from + i * s->width;

		recorder_add(step->strip, from, from + report_cell_seconds(s, i), &step->cells[i]);
	}
}

static void group(struct report_strips *s)
{
	qsort(s->steps, s->step_count, sizeof(*s->steps), by_pipeline);
	for (size_t i = 0; i < s->step_count; i++) {
		struct report_step *step = &s->steps[i];
		struct report_consumer *c = &s->consumers[s->consumer_count];

		if (!i || compare_consumers(step->strip, step[-1].strip)) {
			c->steps = step;
			s->consumer_count++;
		} else {
			c--;
		}
		c->count++;
		fill_step(s, step, i);
		if (step->all.refusing > c->refusing)
			c->refusing = step->all.refusing;
	}
	qsort(s->consumers, s->consumer_count, sizeof(*s->consumers), by_trouble);
}

int report_strips_new(struct report_strips *s, const struct recorder *r, uint64_t last_s,
		      size_t most)
{
	size_t count;
	const struct recorder_strip *const *strips = recorder_strips(r, &count);

	*s = (struct report_strips){ 0 };
	choose_width(s, r, last_s, most);
	s->steps = calloc(count + 1, sizeof(*s->steps));
	s->consumers = calloc(count + 1, sizeof(*s->consumers));
	s->cells = calloc(count * s->cell_count + 1, sizeof(*s->cells));
	if (!s->steps || !s->consumers || !s->cells)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (was_there(r, strips[i], s->from))
			s->steps[s->step_count++].strip = strips[i];
	group(s);
	return 0;
}

void report_strips_free(struct report_strips *s)
{
	free(s->steps);
	free(s->consumers);
	free(s->cells);
}

uint64_t report_cell_seconds(const struct report_strips *s, size_t i)
{
	uint64_t left = s->until - s->from - i * s->width;

	return left < s->width ? left : s->width;
}
