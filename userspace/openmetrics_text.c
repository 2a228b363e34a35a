/* SPDX-License-Identifier: MIT */
#include "openmetrics_text.h"

#include <string.h>

#include "pushback_abi.h"

#define SECOND_NS    1000000000
#define REPLACEMENT  "\xef\xbf\xbd" /* U+FFFD */
#define KEY_MAX      256
#define DECIMALS     9
#define NUMBER_SIZE  32
#define LAST_ENDLESS (OPENMETRICS_BUCKETS - 1)

/* As OpenMetrics wants them: as Go and Python write a float. */
static const struct {
	uint64_t ns;
	const char *text;
} bounds[LAST_ENDLESS] = {
	{ 10000, "1e-05" },        { 20000, "2e-05" },        { 50000, "5e-05" },
	{ 100000, "0.0001" },      { 200000, "0.0002" },      { 500000, "0.0005" },
	{ 1000000, "0.001" },      { 2000000, "0.002" },      { 5000000, "0.005" },
	{ 10000000, "0.01" },      { 20000000, "0.02" },      { 50000000, "0.05" },
	{ 100000000, "0.1" },      { 200000000, "0.2" },      { 500000000, "0.5" },
	{ 1000000000, "1.0" },     { 2000000000, "2.0" },     { 5000000000, "5.0" },
	{ 10000000000, "10.0" },   { 20000000000, "20.0" },   { 50000000000, "50.0" },
	{ 100000000000, "100.0" }, { 200000000000, "200.0" }, { 500000000000, "500.0" },
};

/* ---- Families ---- */

static const char *const counter_help[COUNTERS] = {
	[COUNTER_SEND] = "Attempts that the step refused.",
	[COUNTER_RECEIVE] = "Attempts of the step that the next one refused.",
	[COUNTER_SEND_TIME] = "Time in which the step refused, what is open included.",
	[COUNTER_RECEIVE_TIME] = "Time in which the next step refused, what is open included.",
	[COUNTER_SEND_SELF_TIME] = "Time in which the step refused and was not blocked itself.",
	[COUNTER_SEND_EPISODES] = "Episodes of refusing that closed.",
	[COUNTER_RECEIVE_EPISODES] = "Episodes of being blocked that closed.",
	[COUNTER_SEND_ABANDONED] = "Episodes of refusing that ended with their step.",
	[COUNTER_RECEIVE_ABANDONED] = "Episodes of being blocked that ended with their step.",
	[COUNTER_SEND_PARTIAL] = "Episodes of refusing whose beginning was not seen.",
	[COUNTER_RECEIVE_PARTIAL] = "Episodes of being blocked whose beginning was not seen.",
	[COUNTER_SEND_FOLDED] = "Closed episodes of refusing that were told in bulk.",
	[COUNTER_RECEIVE_FOLDED] = "Closed episodes of being blocked that were told in bulk.",
	[COUNTER_ACCEPTED] = "Messages that the step accepted.",
	[COUNTER_FORWARDED] = "Messages of the step that the next one accepted.",
	[COUNTER_BUSY_TIME] = "Time in which a thread was inside the step itself.",
	[COUNTER_SOME_TIME] = "Time in which any step of the consumer refused.",
	[COUNTER_FULL_TIME] = "Time in which the consumer's first step refused.",
};

static const char *const gauge_help[GAUGES] = {
	[GAUGE_SEND_SPELL] = "How long the step has been refusing most of the time.",
	[GAUGE_RECEIVE_SPELL] = "How long the step has been blocked most of the time.",
	[GAUGE_INSTANCES] = "Step objects under these labels.",
	[GAUGE_QUEUE_DEPTH] = "What the step has in its queue.",
	[GAUGE_QUEUE_CAPACITY] = "What fits into the step's queue.",
};

static const char *const duration_help[2] = {
	[PUSHBACK_SEND] = "Closed episodes of refusing.",
	[PUSHBACK_RECEIVE] = "Closed episodes of being blocked.",
};

struct openmetrics_family openmetrics_counter(enum counter c)
{
	return (struct openmetrics_family){ counter_names[c].name, OPENMETRICS_COUNTER,
					    counter_names[c].is_time, counter_help[c] };
}

struct openmetrics_family openmetrics_gauge(enum gauge g)
{
	return (struct openmetrics_family){ gauge_names[g].name, OPENMETRICS_GAUGE,
					    gauge_names[g].is_time, gauge_help[g] };
}

struct openmetrics_family openmetrics_duration(unsigned int direction)
{
	return (struct openmetrics_family){ duration_names[direction], OPENMETRICS_HISTOGRAM, true,
					    duration_help[direction] };
}

/* ---- Labels ---- */

void openmetrics_prefix(char out[OPENMETRICS_PREFIX_SIZE], const char *prefix)
{
	size_t length = 0;

	for (; prefix[length] && length + 2 < OPENMETRICS_PREFIX_SIZE; length++)
		out[length] = prefix[length] == '.' ? '_' : prefix[length];
	if (length)
		out[length++] = '_';
	out[length] = '\0';
}

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of the character that `text` begins with and its code point; 0: that is none. */
static size_t decode(const unsigned char *text, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t size = text[0] < 0x80             ? 1
		      : (text[0] & 0xe0) == 0xc0 ? 2
		      : (text[0] & 0xf0) == 0xe0 ? 3
		      : (text[0] & 0xf8) == 0xf0 ? 4
						 : 0;

	*code = size == 1 ? text[0] : text[0] & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		if (!is_continuation(text[i]))
			return 0;
		*code = *code << 6 | (text[i] & 0x3fu);
	}
	if (*code < least[size] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return size;
}

/* What some program takes for the end of a line, or a terminal for a command; \n has an escape. */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

static void add_character(struct buffer *b, const char **text)
{
	uint32_t code;
	size_t size = decode((const unsigned char *)*text, &code);

	if (!size || (is_control(code) && code != '\n'))
		buffer_text(b, REPLACEMENT);
	else if (code == '\n')
		buffer_text(b, "\\n");
	else if (code == '\\' || code == '"')
		buffer_add(b, code == '"' ? "\\\"" : "\\\\", 2);
	else
		buffer_add(b, *text, size);
	*text += size ? size : 1;
}

/* Behind the closing quote, from the value's first byte: a quote inside has a backslash before it. */
static size_t behind_value(const struct buffer *labels, size_t at)
{
	while (labels->data[at] != '"')
		at += labels->data[at] == '\\' ? 2 : 1;
	return at + 1;
}

/*
 * Label by label: a value may have in it, and may end like, what a label begins with. All of them are
 * openmetrics_label()'s, so each has its '=' and its quotes.
 */
static bool has_label(const struct buffer *labels, const char *key)
{
	size_t length = strlen(key), at = 0;

	while (!labels->failed && at < labels->length) {
		const char *begin = labels->data + at;
		size_t size =
			(size_t)((const char *)memchr(begin, '=', labels->length - at) - begin);

		if (size == length && !memcmp(begin, key, size))
			return true;
		at = behind_value(labels, at + size + strlen("=\"")) + strlen(",");
	}
	return false;
}

/* Letters, digits and '_', the first no digit. */
static bool is_name(const char *key)
{
	static const char digits[] = "0123456789";
	static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	return *key && !strchr(digits, *key) && !key[strspn(key, all)];
}

void openmetrics_label(struct buffer *labels, const char *key, const char *value)
{
	if (!is_name(key) || has_label(labels, key))
		return;
	if (labels->length)
		buffer_text(labels, ",");
	buffer_text(labels, key);
	buffer_text(labels, "=\"");
	if (!*value)
		value = "unknown";
	while (*value)
		add_character(labels, &value);
	buffer_text(labels, "\"");
}

void openmetrics_tags(struct buffer *labels, const char *tags)
{
	char key[KEY_MAX], value[KEY_MAX];

	for (; *tags; tags += *tags == ',') {
		size_t length = strcspn(tags, ","), colon = strcspn(tags, ":,");
		const char *after = tags + colon + (tags[colon] == ':');
		size_t rest = (size_t)(tags + length - after);

		tags += length;
		if (!colon || colon >= sizeof(key) || rest >= sizeof(value))
			continue;
		memcpy(key, tags - length, colon);
		key[colon] = '\0';
		memcpy(value, after, rest);
		value[rest] = '\0';
		openmetrics_label(labels, key, value);
	}
}

/* ---- Numbers ---- */

/* Before `end`; where it begins. */
static char *write_digits(char *end, uint64_t n)
{
	do
		*--end = (char)('0' + n % 10);
	while (n /= 10);
	return end;
}

static void add_number(struct buffer *out, uint64_t n)
{
	char digits[NUMBER_SIZE], *end = digits + sizeof(digits);
	const char *begin = write_digits(end, n);

	buffer_add(out, begin, (size_t)(end - begin));
}

static void add_seconds(struct buffer *out, uint64_t ns)
{
	char digits[1 + DECIMALS] = ".";
	uint64_t rest = ns % SECOND_NS;
	size_t length = DECIMALS;

	add_number(out, ns / SECOND_NS);
	if (!rest)
		return;
	for (size_t i = DECIMALS; i; i--, rest /= 10)
		digits[i] = (char)('0' + rest % 10);
	while (digits[length] == '0')
		length--;
	buffer_add(out, digits, 1 + length);
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void openmetrics_count_durations(struct openmetrics_histogram *h, const struct hist *durations)
{
	size_t bucket = 0;

	for (size_t i = 0; i < durations->size; i++) {
		uint64_t count = durations->values[i].count;

		while (bucket < LAST_ENDLESS && durations->values[i].ns > bounds[bucket].ns)
			bucket++;
		if (count > UINT64_MAX - h->count)
			count = UINT64_MAX - h->count;
		h->bucket[bucket] += count;
		h->count += count;
	}
	h->sum_ns = add_saturating(h->sum_ns, hist_sum(durations));
}

/* ---- Lines ---- */

static void add_name(struct buffer *out, const struct openmetrics_style *style,
		     const struct openmetrics_family *family)
{
	buffer_text(out, style->prefix);
	buffer_text(out, family->name);
	if (family->is_time)
		buffer_text(out, "_seconds");
}

static void add_comment(struct buffer *out, const struct openmetrics_style *style,
			const struct openmetrics_family *family, const char *word, const char *text)
{
	buffer_text(out, word);
	add_name(out, style, family);
	/* In OpenMetrics _total is the sample's; before, it was part of the name. */
	if (family->type == OPENMETRICS_COUNTER && !style->openmetrics)
		buffer_text(out, "_total");
	buffer_text(out, " ");
	buffer_text(out, text);
	buffer_text(out, "\n");
}

void openmetrics_head(struct buffer *out, const struct openmetrics_style *style,
		      const struct openmetrics_family *family)
{
	static const char *const types[] = {
		[OPENMETRICS_COUNTER] = "counter",
		[OPENMETRICS_GAUGE] = "gauge",
		[OPENMETRICS_HISTOGRAM] = "histogram",
	};

	add_comment(out, style, family, "# TYPE ", types[family->type]);
	if (family->is_time && style->openmetrics)
		add_comment(out, style, family, "# UNIT ", "seconds");
	add_comment(out, style, family, "# HELP ", family->help);
}

static void begin_sample(struct buffer *out, const struct openmetrics_style *style,
			 const struct openmetrics_family *family, const char *suffix,
			 const char *labels, const char *le)
{
	add_name(out, style, family);
	buffer_text(out, suffix);
	if (*labels || le)
		buffer_text(out, "{");
	buffer_text(out, labels);
	if (le) {
		buffer_text(out, *labels ? ",le=\"" : "le=\"");
		buffer_text(out, le);
		buffer_text(out, "\"");
	}
	buffer_text(out, *labels || le ? "} " : " ");
}

void openmetrics_sample(struct buffer *out, const struct openmetrics_style *style,
			const struct openmetrics_family *family, const char *labels, uint64_t value)
{
	const char *suffix = family->type == OPENMETRICS_COUNTER ? "_total" : "";

	begin_sample(out, style, family, suffix, labels, NULL);
	if (family->is_time)
		add_seconds(out, value);
	else
		add_number(out, value);
	buffer_text(out, "\n");
}

void openmetrics_histogram(struct buffer *out, const struct openmetrics_style *style,
			   const struct openmetrics_family *family, const char *labels,
			   const struct openmetrics_histogram *h)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < OPENMETRICS_BUCKETS; i++) {
		const char *le = i < LAST_ENDLESS ? bounds[i].text : "+Inf";

		sum += h->bucket[i];
		begin_sample(out, style, family, "_bucket", labels, le);
		add_number(out, sum);
		buffer_text(out, "\n");
	}
	begin_sample(out, style, family, "_count", labels, NULL);
	add_number(out, h->count);
	buffer_text(out, "\n");
	begin_sample(out, style, family, "_sum", labels, NULL);
	add_seconds(out, h->sum_ns);
	buffer_text(out, "\n");
}

void openmetrics_end(struct buffer *out, const struct openmetrics_style *style)
{
	if (style->openmetrics)
		buffer_text(out, "# EOF\n");
}
