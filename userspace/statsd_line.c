/* SPDX-License-Identifier: MIT */
#include "statsd_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Keys that servers take away or act upon, and our own. */
static const char *const reserved_keys[] = {
	"host", "units",   "name",   "family", "le",   "quantile",        "metric_type",
	"step", "process", "reason", "map",    "code", "pushback_origin",
};
#define RESERVED_PREFIX "dd.internal."
#define PREFIX_MAX      120

__extension__ typedef unsigned __int128 wide;

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool key_is_reserved(const char *key)
{
	for (size_t i = 0; i < sizeof(reserved_keys) / sizeof(reserved_keys[0]); i++)
		if (!strcasecmp(key, reserved_keys[i]))
			return true;
	return !strncasecmp(key, RESERVED_PREFIX, strlen(RESERVED_PREFIX));
}

static char value_char(char c)
{
	if (is_lower(c) || is_upper(c) || is_digit(c))
		return c;
	return c == '.' || c == '/' || c == '-' || c == ':' ? c : '_';
}

static char key_char(char c)
{
	if (is_upper(c))
		return (char)(c - 'A' + 'a');
	return is_lower(c) || is_digit(c) ? c : '_';
}

static size_t copy_sane(char *out, size_t size, const char *from, char (*sane)(char c))
{
	size_t most = size - 1 < STATSD_TEXT_MAX ? size - 1 : STATSD_TEXT_MAX;
	size_t length = 0;

	if (!*from)
		from = "unknown";
	for (; length < most && from[length]; length++)
		out[length] = sane(from[length]);
	out[length] = '\0';
	return length;
}

size_t statsd_value(char *out, size_t size, const char *from)
{
	return copy_sane(out, size, from, value_char);
}

size_t statsd_key(char *out, size_t size, const char *from)
{
	char prefixed[STATSD_TEXT_MAX + 1];

	copy_sane(prefixed, sizeof(prefixed), from, key_char);
	if (is_lower(prefixed[0]) && !key_is_reserved(prefixed) && !key_is_reserved(from))
		return copy_sane(out, size, prefixed, key_char);
	snprintf(prefixed, sizeof(prefixed), "tag_%s", from);
	return copy_sane(out, size, prefixed, key_char);
}

int statsd_own_tag(char *out, size_t size, const char *key, const char *value)
{
	char sane[STATSD_TEXT_MAX + 1];

	statsd_value(sane, sizeof(sane), value);
	int length = snprintf(out, size, "%s:%s", key, sane);

	if ((size_t)length < size)
		return length;
	if (size)
		out[0] = '\0';
	return -ENOSPC;
}

int statsd_tag(char *out, size_t size, const char *key, const char *value)
{
	char sane[STATSD_TEXT_MAX + 1];

	statsd_key(sane, sizeof(sane), key);
	return statsd_own_tag(out, size, sane, value);
}

const char *statsd_quote(char *out, size_t size, const char *text)
{
	size_t length = 0;

	for (; length + 1 < size && text[length]; length++)
		out[length] = text[length] >= ' ' && text[length] < 127 ? text[length] : '?';
	out[length] = '\0';
	return out;
}

int statsd_check_key(const char *key, char *why, size_t why_size)
{
	char quoted[64], sane[STATSD_TEXT_MAX + 1];

	statsd_quote(quoted, sizeof(quoted), key);
	if (key_is_reserved(key)) {
		snprintf(why, why_size,
			 "tag key '%s' has a meaning of its own to pushback or a statsd server; "
			 "choose another key",
			 quoted);
		return -EINVAL;
	}
	statsd_key(sane, sizeof(sane), key);
	if (*key && !strcasecmp(sane, key))
		return 0;
	snprintf(why, why_size,
		 "bad tag key '%s': a key is a letter followed by letters, digits and '_', at most "
		 "%d characters",
		 quoted, STATSD_TEXT_MAX);
	return -EINVAL;
}

int statsd_check_tag(const char *tag, char *why, size_t why_size)
{
	char key[STATSD_TEXT_MAX + 2], quoted[64];
	size_t length = strcspn(tag, ":");

	if (!tag[length] || !tag[length + 1] || !length) {
		snprintf(why, why_size, "bad tag '%s': write it as key:value, both non-empty",
			 statsd_quote(quoted, sizeof(quoted), tag));
		return -EINVAL;
	}
	/* A key that is too long stays too long. */
	snprintf(key, sizeof(key), "%.*s", (int)(length < sizeof(key) ? length : sizeof(key)), tag);
	return statsd_check_key(key, why, why_size);
}

static int add_global_tag(char out[STATSD_GLOBAL_TAGS_SIZE], const char *tag, char *why,
			  size_t why_size)
{
	size_t used = strlen(out), comma = used > 0;
	char key[STATSD_TEXT_MAX + 1];
	int err = statsd_check_tag(tag, why, why_size);

	if (err)
		return err;
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(tag, ":"), tag);
	err = statsd_tag(out + used + comma, STATSD_GLOBAL_TAGS_SIZE - used - comma, key,
			 strchr(tag, ':') + 1);
	if (err < 0) {
		snprintf(why, why_size,
			 "the tags are too long: together they may have %d bytes; shorten them",
			 STATSD_GLOBAL_TAGS_SIZE - 1);
		return err;
	}
	if (comma)
		out[used] = ',';
	return 0;
}

int statsd_global_tags(char out[STATSD_GLOBAL_TAGS_SIZE], const char *const *tags, char *why,
		       size_t why_size)
{
	int err = 0;

	out[0] = '\0';
	for (; !err && tags && *tags; tags++)
		err = add_global_tag(out, *tags, why, why_size);
	return err;
}

int statsd_check_prefix(const char *prefix, char *why, size_t why_size)
{
	size_t length = strlen(prefix);
	bool good = length <= PREFIX_MAX;
	char quoted[64];

	if (!length)
		return 0;
	good = good && (is_lower(prefix[0]) || is_upper(prefix[0])) && prefix[length - 1] != '.';
	for (size_t i = 0; good && i < length; i++) {
		char c = prefix[i];

		good = is_lower(c) || is_upper(c) || is_digit(c) || c == '_' || c == '.';
	}
	if (good)
		return 0;
	snprintf(why, why_size,
		 "bad prefix '%s': a prefix is a letter followed by letters, digits, '_' and '.', "
		 "at "
		 "most %d characters, not ending in '.'",
		 statsd_quote(quoted, sizeof(quoted), prefix), PREFIX_MAX);
	return -EINVAL;
}

/*
 * Writes value / 10^decimals. By hand: an agent of many steps writes a hundred thousand numbers and
 * lines a second, and what formats them would take most of that time.
 */
static void write_number(char out[STATSD_NUMBER_SIZE], uint64_t value, unsigned int decimals)
{
	char text[STATSD_NUMBER_SIZE], *at = text + sizeof(text);
	unsigned int digits = 0;

	for (*--at = '\0'; value || digits <= decimals; value /= 10) {
		*--at = (char)('0' + value % 10);
		if (++digits == decimals)
			*--at = '.';
	}
	memcpy(out, at, (size_t)(text + sizeof(text) - at));
}

void statsd_number(char out[STATSD_NUMBER_SIZE], uint64_t n)
{
	write_number(out, n, 0);
}

/* The same without trailing zeros. */
static void write_decimal(char out[STATSD_NUMBER_SIZE], uint64_t value, unsigned int decimals)
{
	while (decimals && value % 10 == 0) {
		value /= 10;
		decimals--;
	}
	write_number(out, value, decimals);
}

void statsd_ms(char out[STATSD_NUMBER_SIZE], uint64_t ns)
{
	if (ns < 1000000)
		write_decimal(out, ns, 6);
	else
		write_decimal(out, ns / 1000 + (ns % 1000 >= 500), 3);
}

/* The largest double whose inverse is at least n: readers take the whole part of that. */
static double rate_of(uint64_t n)
{
	double rate = 1.0 / (double)n;
	uint64_t bits;

	while (1.0 / rate < (double)n) {
		memcpy(&bits, &rate, sizeof(bits));
		bits--;
		memcpy(&rate, &bits, sizeof(bits));
	}
	return rate;
}

static wide power_of_ten(unsigned int exponent)
{
	wide power = 1;

	while (exponent--)
		power *= 10;
	return power;
}

/* rate * 10^decimals, rounded; exact arithmetic, for rates from 2^-14 to 1 and up to 21 decimals.
 */
static uint64_t scaled(double rate, unsigned int decimals)
{
	const uint64_t hidden = UINT64_C(1) << 52;
	uint64_t bits;

	memcpy(&bits, &rate, sizeof(bits));

	unsigned int shift = 1075 - (unsigned int)(bits >> 52);
	wide product = ((bits & (hidden - 1)) | hidden) * power_of_ten(decimals);

	return (uint64_t)((product + ((wide)1 << (shift - 1))) >> shift);
}

/*
 * 15 digits where they are the same double (their quotient by a power of ten below 10^22 is rounded
 * once, as strtod() does it), else 17, which always are.
 */
void statsd_rate(char out[STATSD_NUMBER_SIZE], uint64_t n)
{
	unsigned int zeros = 0;

	out[0] = '\0';
	if (n <= 1)
		return;
	for (uint64_t tens = 10; tens < n; tens *= 10)
		zeros++;

	double rate = rate_of(n);
	unsigned int decimals = 15 + zeros;
	uint64_t digits = scaled(rate, decimals);

	if ((double)digits / (double)power_of_ten(decimals) != rate) {
		decimals += 2;
		digits = scaled(rate, decimals);
	}
	while (digits % 10 == 0) {
		digits /= 10;
		decimals--;
	}
	snprintf(out, STATSD_NUMBER_SIZE, "0.%0*" PRIu64, (int)decimals, digits);
}

/* Behind what is there already; what does not fit only counts. */
static size_t put(char *out, size_t size, size_t length, const char *text, size_t more)
{
	if (length < size)
		memcpy(out + length, text, more < size - length ? more : size - length);
	return length + more;
}

static size_t put_text(char *out, size_t size, size_t length, const char *text)
{
	return *text ? put(out, size, length, text, strlen(text)) : length;
}

size_t statsd_line(char *out, size_t size, const struct statsd_line *line)
{
	char rate[STATSD_NUMBER_SIZE];
	size_t length = put_text(out, size, 0, line->prefix);

	length = put_text(out, size, length, line->name);
	length = put_text(out, size, length, line->suffix);
	length = put(out, size, length, ":", 1);
	length = put_text(out, size, length, line->value);
	length = put(out, size, length, "|", 1);
	length = put_text(out, size, length, line->type);
	if (line->weight > 1) {
		statsd_rate(rate, line->weight);
		length = put(out, size, length, "|@", 2);
		length = put_text(out, size, length, rate);
	}
	if (*line->tags) {
		length = put(out, size, length, "|#", 2);
		length = put_text(out, size, length, line->tags);
	}
	if (size)
		out[length < size ? length : size - 1] = '\0';
	return length;
}
