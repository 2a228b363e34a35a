/* SPDX-License-Identifier: MIT */
#include "http_request.h"

#include <string.h>

/* Of q=0.001 to q=1. */
#define QUALITY_MOST 1000

/* A piece of the head; not terminated. */
struct span {
	const char *text;
	size_t size;
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is(struct span s, const char *text)
{
	return s.size == strlen(text) && !memcmp(s.text, text, s.size);
}

/* Whatever its case; `text` is lower. */
static bool is_word(struct span s, const char *text)
{
	for (size_t i = 0; i < s.size; i++)
		if (!text[i] || lower(s.text[i]) != text[i])
			return false;
	return !text[s.size];
}

static struct span trim(struct span s)
{
	for (; s.size && is_blank(*s.text); s.text++)
		s.size--;
	while (s.size && is_blank(s.text[s.size - 1]))
		s.size--;
	return s;
}

/* Takes what stands before `mark` (or all) from the beginning of `rest`, and the mark. */
static struct span take(struct span *rest, char mark)
{
	const char *at = rest->size ? memchr(rest->text, mark, rest->size) : NULL;
	struct span taken = { rest->text, at ? (size_t)(at - rest->text) : rest->size };
	size_t used = taken.size + (at != NULL);

	rest->text += used;
	rest->size -= used;
	return taken;
}

static struct span take_line(struct span *rest)
{
	struct span line = take(rest, '\n');

	line.size -= line.size && line.text[line.size - 1] == '\r';
	return line;
}

size_t http_head_length(const char *data, size_t size)
{
	struct span rest = { data, size };
	bool begun = false;

	while (rest.size && memchr(rest.text, '\n', rest.size)) {
		struct span line = take_line(&rest);

		if (!line.size && (begun || line.text != data))
			return size - rest.size;
		begun |= line.size != 0;
	}
	return 0;
}

/* ---- Accept ---- */

/* "0.75" -> 750; what is no quality is the best, as if it were not there. */
static unsigned int quality_of(struct span s)
{
	unsigned int quality = 0, worth = QUALITY_MOST;

	if (!s.size || (s.text[0] != '0' && s.text[0] != '1'))
		return QUALITY_MOST;
	for (size_t i = 0; i < s.size && worth; i += i ? 1 : 2, worth /= 10) {
		if (s.text[i] < '0' || s.text[i] > '9' ||
		    (i == 0 && s.size > 1 && s.text[1] != '.'))
			return QUALITY_MOST;
		quality += (unsigned int)(s.text[i] - '0') * worth;
	}
	return quality < QUALITY_MOST ? quality : QUALITY_MOST;
}

struct taste {
	unsigned int openmetrics, plain;
	unsigned int plain_rank; /* how exactly text/plain was named: the most exact one holds */
};

static unsigned int plain_rank(struct span type)
{
	if (is_word(type, "text/plain"))
		return 3;
	if (is_word(type, "text/*"))
		return 2;
	return is_word(type, "*/*");
}

/* One media range, with its parameters. */
static void take_range(struct taste *taste, struct span range)
{
	struct span type = trim(take(&range, ';'));
	unsigned int quality = QUALITY_MOST, rank = plain_rank(type);
	bool is_known = true;

	while (range.size) {
		struct span value = trim(take(&range, ';'));
		struct span name = trim(take(&value, '='));

		value = trim(value);
		if (is_word(name, "q"))
			quality = quality_of(value);
		else if (is_word(name, "version"))
			is_known = is(value, "1.0.0") || is(value, "\"1.0.0\"");
	}
	if (is_word(type, "application/openmetrics-text")) {
		if (is_known && quality > taste->openmetrics)
			taste->openmetrics = quality;
	} else if (rank && rank >= taste->plain_rank) {
		taste->plain = rank == taste->plain_rank && taste->plain > quality ? taste->plain
										   : quality;
		taste->plain_rank = rank;
	}
}

static void take_header(struct taste *taste, struct span line)
{
	struct span name = take(&line, ':');

	if (!is_word(name, "accept"))
		return;
	while (line.size)
		take_range(taste, take(&line, ','));
}

/* ---- The first line ---- */

/* Of "http://host:port/path?query" too. */
static struct span path_of(struct span target)
{
	struct span rest = target, scheme = take(&rest, ':');

	if (is_word(scheme, "http") && rest.size >= 2 && !memcmp(rest.text, "//", 2)) {
		const char *slash = memchr(rest.text + 2, '/', rest.size - 2);

		target.size -= slash ? (size_t)(slash - target.text) : target.size;
		target.text = slash ? slash : target.text;
	}
	return take(&target, '?');
}

static bool is_version(struct span version, char minor)
{
	return version.size == 8 && !memcmp(version.text, "HTTP/1.", 7) && version.text[7] == minor;
}

static enum http_status take_first_line(struct http_request *out, struct span line,
					const char *path)
{
	struct span method = take(&line, ' '), target = take(&line, ' '), version = line;

	if (!method.size || !target.size || version.size != 8 || memcmp(version.text, "HTTP/", 5))
		return HTTP_BAD_REQUEST;
	out->is_1_0 = is_version(version, '0');
	out->is_head = is(method, "HEAD");
	if (!out->is_1_0 && !is_version(version, '1'))
		return HTTP_VERSION_NOT_SUPPORTED;
	if (!is(path_of(target), path))
		return HTTP_NOT_FOUND;
	return out->is_head || is(method, "GET") ? HTTP_OK : HTTP_METHOD_NOT_ALLOWED;
}

enum http_status http_request_parse(struct http_request *out, const char *head, size_t length,
				    const char *path)
{
	struct span rest = { head, length }, line = take_line(&rest);
	struct taste taste = { 0 };
	enum http_status status;

	*out = (struct http_request){ 0 };
	if (!line.size)
		line = take_line(&rest);
	status = take_first_line(out, line, path);
	while (rest.size)
		take_header(&taste, take_line(&rest));
	out->wants_openmetrics = taste.openmetrics && taste.openmetrics >= taste.plain;
	return status;
}
