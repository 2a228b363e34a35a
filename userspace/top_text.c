/* SPDX-License-Identifier: MIT */
#include "top_text.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define ACCENTS_MAX 2 /* on one character; see TOP_TEXT_SIZE */

/* One character as it is shown. */
struct glyph {
	const char *bytes;
	size_t size;  /* of `bytes` */
	size_t taken; /* of the text */
	size_t width; /* columns; 0: it goes on top of the one before */
};

/* Of no width, and made to deceive: they change in which order or place others are shown. */
static bool is_format(wchar_t c)
{
	return c == 0xad || c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000;
}

static struct glyph next_glyph(const char *text, bool utf8)
{
	struct glyph one = { .bytes = text, .size = 1, .taken = 1, .width = 1 };
	const struct glyph wrong = { .bytes = "?", .size = 1, .taken = 1, .width = 1 };
	mbstate_t state = { 0 };
	wchar_t c;
	size_t size;
	int width;

	if (*text >= ' ' && *text <= '~')
		return one;
	if (!utf8 || (unsigned char)*text < 0x80)
		return wrong;
	size = mbrtowc(&c, text, strnlen(text, 4), &state);
	if (size == 0 || size > 4)
		return wrong;
	width = wcwidth(c);
	one = wrong;
	one.taken = size;
	if (width < 0 || is_format(c))
		return one;
	return (struct glyph){ text, size, size, (size_t)width };
}

/*
 * As much of the first `bytes` of `text` as fits; how many columns that took, and in `*taken` how
 * many bytes of it.
 */
static size_t put(char *out, const char *text, size_t bytes, size_t columns, bool utf8,
		  size_t *taken)
{
	size_t used = 0, at = 0, accents = ACCENTS_MAX;

	while (at < bytes && text[at]) {
		struct glyph g = next_glyph(text + at, utf8);

		if (used + g.width > columns)
			break;
		if (g.width)
			accents = 0;
		if (g.width || accents++ < ACCENTS_MAX) {
			memcpy(out, g.bytes, g.size);
			out += g.size;
		}
		used += g.width;
		at += g.taken;
	}
	*out = '\0';
	*taken = at;
	return used;
}

static char *blanks(char *out, size_t count)
{
	memset(out, ' ', count);
	out[count] = '\0';
	return out + count;
}

size_t top_text_width(const char *text, bool utf8)
{
	size_t width = 0;

	while (*text) {
		struct glyph g = next_glyph(text, utf8);

		width += g.width;
		text += g.taken;
	}
	return width;
}

void top_text_fit(char *out, const char *text, size_t columns, bool right, bool utf8)
{
	size_t width = top_text_width(text, utf8), taken;

	if (!columns) {
		*out = '\0';
		return;
	}
	if (width > columns) {
		width = put(out, text, SIZE_MAX, columns - 1, utf8, &taken);
		out += strlen(out);
		strcpy(out, utf8 ? "\xe2\x80\xa6" : "~");
		blanks(out + strlen(out), columns - 1 - width);
		return;
	}
	if (right)
		out = blanks(out, columns - width);
	put(out, text, SIZE_MAX, columns, utf8, &taken);
	if (!right)
		blanks(out + strlen(out), columns - width);
}

size_t top_text_line(char *out, const char *text, size_t columns, bool utf8)
{
	size_t taken, blank;

	put(out, text, SIZE_MAX, columns, utf8, &taken);
	if (!text[taken])
		return taken;
	for (blank = taken; blank && text[blank] != ' '; blank--)
		;
	if (!blank)
		return taken;
	put(out, text, blank, columns, utf8, &taken);
	return blank + 1;
}

void top_text_safe(char *out, size_t size, const char *text, bool utf8)
{
	size_t used = 0, accents = ACCENTS_MAX;

	while (*text && used < size) {
		struct glyph g = next_glyph(text, utf8);

		text += g.taken;
		accents = g.width ? 0 : accents + 1;
		if (accents > ACCENTS_MAX)
			continue;
		if (used + g.size >= size)
			break;
		memcpy(out + used, g.bytes, g.size);
		used += g.size;
	}
	if (size)
		out[used] = '\0';
}

/* ---- Numbers ---- */

struct unit {
	uint64_t ns;
	uint64_t below; /* this unit is used below so many ns */
	const char *name;
};

void top_text_time(char *out, uint64_t ns)
{
	static const struct unit units[] = {
		{ 1000, 999500, "us" },
		{ 1000000, 999500000, "ms" },
		{ 1000000000, 59500000000, "s" },
	};
	uint64_t seconds = ns / 1000000000 + (ns % 1000000000 >= 500000000);

	if (ns < 1000) {
		strcpy(out, ns ? "<1us" : "0");
		return;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double value = (double)ns / (double)units[i].ns;

		if (ns >= units[i].below)
			continue;
		snprintf(out, TOP_NUMBER_SIZE, "%.*f%s", i > 0 && value < 9.95 ? 1 : 0, value,
			 units[i].name);
		return;
	}
	if (seconds < 600)
		snprintf(out, TOP_NUMBER_SIZE, "%um%02us", (unsigned int)(seconds / 60),
			 (unsigned int)(seconds % 60));
	else if (seconds < 3600)
		snprintf(out, TOP_NUMBER_SIZE, "%um", (unsigned int)(seconds / 60));
	else if (seconds < 36000)
		snprintf(out, TOP_NUMBER_SIZE, "%uh%02um", (unsigned int)(seconds / 3600),
			 (unsigned int)(seconds / 60 % 60));
	else if (seconds < 100 * 3600ull)
		snprintf(out, TOP_NUMBER_SIZE, "%uh", (unsigned int)(seconds / 3600));
	else if (seconds < 9999 * 86400ull)
		snprintf(out, TOP_NUMBER_SIZE, "%ud", (unsigned int)(seconds / 86400));
	else
		strcpy(out, ">27y");
}

void top_text_count(char *out, double value)
{
	static const char units[] = { 'k', 'M', 'G', 'T', 'P', 'E' };

	if (!(value > 0)) {
		strcpy(out, "0");
		return;
	}
	if (value < 0.05) {
		strcpy(out, "<0.1");
		return;
	}
	if (value < 9999.5) {
		bool whole = value >= 9.95 || value == (double)(unsigned int)value;

		snprintf(out, TOP_NUMBER_SIZE, "%.*f", whole ? 0 : 1, value);
		return;
	}
	for (size_t i = 0; i < sizeof(units); i++) {
		value /= 1000;
		if (value >= 999.5)
			continue;
		snprintf(out, TOP_NUMBER_SIZE, "%.*f%c",
			 value < 9.995   ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value, units[i]);
		return;
	}
	strcpy(out, ">999E");
}

void top_text_percent(char *out, double share)
{
	if (!(share > 0))
		strcpy(out, "0");
	else if (share < 0.005)
		strcpy(out, "<1");
	else
		snprintf(out, TOP_NUMBER_SIZE, "%.0f", share < 1 ? share * 100 : 100);
}

void top_text_bar(char *out, size_t columns, uint32_t n, uint32_t capacity)
{
	size_t inner = columns - 2, filled;

	/* A queue that holds anything shows, and only a full one looks full. */
	filled = n >= capacity ? inner : (size_t)((uint64_t)n * inner / capacity);
	if (n && !filled)
		filled = 1;
	if (n < capacity && filled == inner)
		filled = inner - 1;
	out[0] = '[';
	memset(out + 1, '|', filled);
	memset(out + 1 + filled, ' ', inner - filled);
	strcpy(out + 1 + inner, "]");
}
