/* SPDX-License-Identifier: MIT */
/* top_words.h - what stands around top's table: how much there is, and what is missing. Pure. */
#ifndef TOP_WORDS_H
#define TOP_WORDS_H

#include "sink.h"
#include "top_keys.h"
#include "top_layout.h"

/* "2 consumers, 10 steps" */
void top_words_count(const struct top_snapshot *s, char *out, size_t size);

/*
 * The first line, and the last one with the keys. What does not fit `width` is given up, beginning with
 * what is said elsewhere or known by heart; that it is paused, merged, sorted or filtered stays, and
 * which keys quit and help.
 */
void top_words_title(const struct top_keys *k, const struct top_snapshot *s, const char *clock,
		     size_t width, bool utf8, char *out, size_t size);
void top_words_keys(const struct top_keys *k, size_t width, bool utf8, char *out, size_t size);

/*
 * "lost: 3 steps_full, 1 torn (these numbers are not complete); names cut: 2", as far as there are
 * any, or "". What of a file was never attached to for a reason (notes that linkers leave behind) is
 * no loss, nor is the end of a name.
 */
void top_words_lost(const struct agent_stats *stats, char *out, size_t size);

/* The verdict on one that has ended, in its place: what was going on then is going on no more. */
const char *top_words_last(const struct top_consumer *c);

/* Why there are no rows, in one sentence. */
const char *top_words_empty(const struct top_snapshot *s, const struct top_view *view);

/* "consumer[4711]: the verdict" */
void top_words_verdict(const struct top_layout *l, const struct top_consumer *c, char *out,
		       size_t size);

#endif /* TOP_WORDS_H */
