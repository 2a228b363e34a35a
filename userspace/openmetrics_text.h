/* SPDX-License-Identifier: MIT */
/*
 * openmetrics_text.h - lines of a scrape: OpenMetrics 1.0.0, or Prometheus' text format 0.0.4
 *
 * What a consumer wrote goes into label values only, and there it cannot end the value or the line:
 * it is escaped, and what is no UTF-8 or controls a terminal or parser becomes U+FFFD. Times are in
 * seconds, to the ns, whatever LC_NUMERIC says. Pure: no I/O, no clock.
 */
#ifndef OPENMETRICS_TEXT_H
#define OPENMETRICS_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "hist.h"
#include "metrics.h"

/* Room for a prefix: as long as --prefix may be, with its '_' and NUL. */
#define OPENMETRICS_PREFIX_SIZE 128

enum openmetrics_type { OPENMETRICS_COUNTER, OPENMETRICS_GAUGE, OPENMETRICS_HISTOGRAM };

struct openmetrics_family {
	const char *name; /* without prefix, unit and _total */
	enum openmetrics_type type;
	bool is_time; /* ns, which are written as seconds */
	const char *help;
};

/* What those of metrics.h are here; `direction` is PUSHBACK_SEND or PUSHBACK_RECEIVE. */
struct openmetrics_family openmetrics_counter(enum counter c);
struct openmetrics_family openmetrics_gauge(enum gauge g);
struct openmetrics_family openmetrics_duration(unsigned int direction);

/* How a scrape is written. */
struct openmetrics_style {
	const char *prefix; /* with its '_', or "" */
	bool openmetrics;   /* else text format 0.0.4 */
};

/* 1, 2 and 5 times each power of ten from 10 us to 500 s, and what is above. */
#define OPENMETRICS_BUCKETS 25

struct openmetrics_histogram {
	uint64_t bucket[OPENMETRICS_BUCKETS]; /* each alone; written as sums */
	uint64_t count;                       /* of all; this and the sum saturate */
	uint64_t sum_ns;
};

/* "a.b" -> "a_b_", "" -> "". */
void openmetrics_prefix(char out[OPENMETRICS_PREFIX_SIZE], const char *prefix);

/*
 * Adds `key="value"` to labels, behind a comma where there are some; not if the key is there already,
 * or is none that a label may have. An empty value is written as "unknown" (it would mean no label).
 */
void openmetrics_label(struct buffer *labels, const char *key, const char *value);
/* The same of each of "k:v,k2:v2", whose values have no comma. */
void openmetrics_tags(struct buffer *labels, const char *tags);

void openmetrics_count_durations(struct openmetrics_histogram *h, const struct hist *durations);

/* TYPE, UNIT and HELP: once, before the family's first sample. */
void openmetrics_head(struct buffer *out, const struct openmetrics_style *style,
		      const struct openmetrics_family *family);
/* A counter's or gauge's line. `labels` as above, without braces, terminated. */
void openmetrics_sample(struct buffer *out, const struct openmetrics_style *style,
			const struct openmetrics_family *family, const char *labels,
			uint64_t value);
void openmetrics_histogram(struct buffer *out, const struct openmetrics_style *style,
			   const struct openmetrics_family *family, const char *labels,
			   const struct openmetrics_histogram *h);
/* The last line, where the format has one: without it a scrape is known to be cut off. */
void openmetrics_end(struct buffer *out, const struct openmetrics_style *style);

#endif /* OPENMETRICS_TEXT_H */
