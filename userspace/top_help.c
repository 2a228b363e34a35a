/* SPDX-License-Identifier: MIT */
#include "top_help.h"

#include <string.h>

#include "top_text.h"

#define KEYS_WIDTH  13 /* with two blanks at least */
#define WORDS_LEAST 8

static const char *const help[][2] = {
	{ "s S", "sort by the next column, the one before" },
	{ "/", "show only what has this in its name, or this pid; begins anew" },
	{ "p space", "stand still, go on" },
	{ "d", "the other side's rejections and durations" },
	{ "m", "one row for all processes of a name: rates added, mean shares" },
	{ "j k arrows", "select; the verdict is that of the selected consumer" },
	{ "escape", "select nothing, then: no filter" },
	{ "q", "quit" },
	{ "", "" },
	{ "*", "the verdict blames this step" },
	{ "~ partly", "by --budget watched partly: its row is of the last such part" },
	{ "STATE",
	  "what filled half of the last second: blocked (BLK%), refusing (SELF%), busy (BUSY%: "
	  "in its own code); else flowing or idle; ? is not known" },
	{ "SINCE", "for so long STATE was that most of the time; > at least so long" },
	{ "REF% BLK%", "of the last second refusing, blocked by the next step: or both" },
	{ "SELF%", "refusing and not blocked: nearly all at one step is the bottleneck" },
	{ "BUSY+BLK+...", "by samples, the first that held: unlike REF% BLK% adds up to 100" },
	{ "ACC/s REJ/s", "accepted, rejected a second; a consumer that spins rejects fast" },
	{ "P50 P99 MAX", "of episodes since top began; > where the beginning was not seen" },
	{ "some full", "% of time that any step refused, that nothing got in" },
};

/* One entry from its line `at` on, which is written; returns how many lines it has. */
static size_t lay_out(const char *const entry[2], size_t at, size_t width, bool utf8, char *out)
{
	size_t keys = width > KEYS_WIDTH + WORDS_LEAST ? KEYS_WIDTH : width / 8, count = 0;
	const char *words = entry[1];
	char line[TOP_TEXT_SIZE(128)];
	size_t room = width - keys;

	if (room > 128)
		room = 128;
	/* Where it is too narrow for two columns, the words stand below their key. */
	if (keys < KEYS_WIDTH && count++ == at)
		top_text_fit(out, entry[0], width, false, utf8);
	do {
		size_t taken = top_text_line(line, words, room, utf8);

		if (count == at) {
			bool first = !count && keys == KEYS_WIDTH;

			top_text_fit(out, first ? entry[0] : "", keys, false, utf8);
			strcat(out, line);
		}
		count++;
		words += taken ? taken : strlen(words);
	} while (*words);
	return count;
}

/* As far as line `wanted`; returns how many lines there are up to the end of its entry. */
static size_t walk(size_t wanted, size_t width, bool utf8, char *out)
{
	char spare[TOP_TEXT_SIZE(128 + KEYS_WIDTH)];
	size_t count = 0;

	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]) && count <= wanted; i++)
		count += lay_out(help[i], wanted - count, width, utf8, out ? out : spare);
	return count;
}

size_t top_help_count(size_t width, bool utf8)
{
	return walk((size_t)-1 / 2, width, utf8, NULL);
}

void top_help_line(size_t at, size_t width, bool utf8, char *out)
{
	out[0] = '\0';
	walk(at, width, utf8, out);
}
