/* SPDX-License-Identifier: MIT */
/*
 * Names as hostile consumers write them, as a scrape in both formats: each line parses by a strict reader,
 * which gets back as many labels as there were.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_input.h"
#include "openmetrics_text.h"

struct reader {
	const char *at, *end;
};

static bool skip(struct reader *r, const char *text)
{
	size_t length = strlen(text);

	if ((size_t)(r->end - r->at) < length || memcmp(r->at, text, length))
		return false;
	r->at += length;
	return true;
}

static char next(struct reader *r)
{
	MUST(r->at < r->end);
	return *r->at++;
}

static void read_name(struct reader *r)
{
	const char *begin = r->at;

	while (r->at < r->end && (isalnum((unsigned char)*r->at) || *r->at == '_'))
		r->at++;
	MUST(r->at > begin && !isdigit((unsigned char)*begin));
}

/* Well-formed UTF-8 without controls, of which only three escapes there are. */
static void read_value(struct reader *r)
{
	MUST(next(r) == '"');
	for (;;) {
		unsigned char c = (unsigned char)next(r);
		int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

		if (c == '"')
			return;
		if (c == '\\')
			MUST(strchr("\\\"n", next(r)));
		MUST(c >= 0x20 && c != 0x7f && (c < 0x80 || c >= 0xc2));
		if (c == 0xc2)
			MUST((unsigned char)*r->at >= 0xa0);
		for (; more; more--)
			MUST(((unsigned char)next(r) & 0xc0) == 0x80);
	}
}

static void read_number(struct reader *r)
{
	const char *begin = r->at;

	while (r->at < r->end && (isdigit((unsigned char)*r->at) || *r->at == '.'))
		r->at++;
	MUST(r->at > begin);
}

static size_t read_pairs(struct reader *r)
{
	size_t count = 0;

	do {
		read_name(r);
		MUST(next(r) == '=');
		read_value(r);
		count++;
	} while (skip(r, ","));
	return count;
}

static size_t read_labels(struct reader *r)
{
	size_t count;

	if (!skip(r, "{"))
		return 0;
	count = read_pairs(r);
	MUST(skip(r, "}"));
	return count;
}

/* Labels of all samples but for `le`. */
static void read_scrape(const struct buffer *text, size_t labels, bool openmetrics)
{
	struct reader r = { text->data, text->data + text->length };
	size_t samples = 0;
	bool over = false;

	while (r.at < r.end) {
		size_t found;

		MUST(!over);
		if (skip(&r, "# ")) {
			over = skip(&r, "EOF");
			while (next(&r) != '\n')
				;
			continue;
		}
		read_name(&r);
		found = read_labels(&r);
		MUST(found == labels || found == labels + 1);
		MUST(next(&r) == ' ');
		read_number(&r);
		MUST(next(&r) == '\n');
		samples++;
	}
	MUST(samples >= 3 && over == openmetrics);
}

/* As they may have been kept; how many of them are labels. */
static size_t add_any_tags(struct input *in, struct buffer *labels)
{
	size_t before = labels->length;
	char *tags = input_text(in);
	struct reader r;

	openmetrics_tags(labels, tags);
	free(tags);
	if (labels->length == before)
		return 0;
	r = (struct reader){ labels->data + before, labels->data + labels->length };
	MUST(!before || skip(&r, ","));
	before = read_pairs(&r);
	MUST(r.at == r.end);
	return before;
}

static size_t add_labels(struct input *in, struct buffer *labels)
{
	static const char *const keys[] = { "step", "process", "reason" };
	size_t count = input_byte(in) & 3;
	char *tags;

	for (size_t i = 0; i < count; i++) {
		char *value = input_text(in);

		openmetrics_label(labels, keys[i], value);
		/* A second one of this name is none. */
		openmetrics_label(labels, keys[i], "x");
		free(value);
	}
	/* Ready-made ones have sane keys; any value that has no comma. */
	tags = input_text(in);
	if (*tags && !strpbrk(tags, ",:")) {
		char ready[256];

		snprintf(ready, sizeof(ready), "own:%.100s,own:b", tags);
		openmetrics_tags(labels, ready);
		count++;
	}
	free(tags);
	count += add_any_tags(in, labels);
	buffer_add(labels, "", 1);
	MUST(!labels->failed);
	return count;
}

static void write_all(struct input *in, struct buffer *out, const struct openmetrics_style *style,
		      const char *labels)
{
	struct openmetrics_family counter =
		openmetrics_counter((enum counter)(input_byte(in) % COUNTERS));
	struct openmetrics_family gauge = openmetrics_gauge((enum gauge)(input_byte(in) % GAUGES));
	struct openmetrics_family duration = openmetrics_duration(input_byte(in) & 1);
	struct openmetrics_histogram histogram = { .bucket = { 0 } };
	struct hist durations = { 0 };

	for (int i = input_byte(in) & 7; i; i--)
		hist_add(&durations, input_number(in), input_number(in));
	openmetrics_head(out, style, &counter);
	openmetrics_sample(out, style, &counter, labels, input_number(in));
	openmetrics_head(out, style, &gauge);
	openmetrics_sample(out, style, &gauge, labels, input_number(in));
	openmetrics_head(out, style, &duration);
	openmetrics_count_durations(&histogram, &durations);
	openmetrics_histogram(out, style, &duration, labels, &histogram);
	openmetrics_end(out, style);
	hist_free(&durations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct openmetrics_style style = { .openmetrics = input_byte(&in) & 1 };
	char prefix[OPENMETRICS_PREFIX_SIZE];
	struct buffer labels = { 0 }, out = { 0 };
	size_t count;

	openmetrics_prefix(prefix, input_byte(&in) & 1 ? "streams.pipeline" : "");
	style.prefix = prefix;
	count = add_labels(&in, &labels);
	write_all(&in, &out, &style, labels.data);
	MUST(!out.failed);
	read_scrape(&out, count, style.openmetrics);
	buffer_free(&labels);
	buffer_free(&out);
	return 0;
}
