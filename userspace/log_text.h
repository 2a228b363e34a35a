/* SPDX-License-Identifier: MIT */
/* log_text.h - what `run --log` says of a step, in a line without an end. Pure. */
#ifndef LOG_TEXT_H
#define LOG_TEXT_H

#include "hist.h"
#include "metrics.h"
#include "stuck.h"

/* Enough for each. */
#define LOG_TEXT_SIZE 768

/* A step (all instances under its tags) in a stretch of time. Names as the consumer wrote them. */
struct log_step {
	const char *process, *step, *tags;
	uint64_t counter[COUNTERS]; /* of the stretch only */
	const struct hist *durations[2];
	uint64_t ns; /* how long the stretch is */
};

void log_text_step(char out[LOG_TEXT_SIZE], const struct log_step *step);
/* Of steps in backpressure that had no line of their own. */
void log_text_more(char out[LOG_TEXT_SIZE], uint64_t steps, uint64_t ns);
/* What was lost in the stretch; `words` as top_words_lost() has them. */
void log_text_lost(char out[LOG_TEXT_SIZE], const char *words, uint64_t ns);
void log_text_spell(char out[LOG_TEXT_SIZE], const struct stuck_news *news);
/* Of spells that began or ended and had none. */
void log_text_spells_more(char out[LOG_TEXT_SIZE], uint64_t spells);

#endif /* LOG_TEXT_H */
