/* SPDX-License-Identifier: MIT */
#include "recipe.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <ini.h>

/* inih's own bound, which it does not tell. */
#define LINE_MOST 199

/* A reading in progress. */
struct reading {
	struct recipes *recipes;
	const char *path;
	FILE *file;
	int line;
	int header; /* line of the last [...], 0: its section has begun */
	char section[LINE_MOST + 1];
	bool in_target; /* of this file, one has begun */
	struct recipe_step *step;
	char *why;
	size_t why_size;
	bool failed;
};

struct key {
	const char *name;
	int (*set)(struct reading *r, unsigned int which, const char *value);
	bool repeats;
};

struct recipes *recipes_new(void)
{
	return calloc(1, sizeof(struct recipes));
}

void recipes_free(struct recipes *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->targets_count; i++) {
		free(r->targets[i].file);
		free(r->targets[i].path);
	}
	for (size_t i = 0; i < r->steps_count; i++) {
		free(r->steps[i].name);
		recipe_names_free(&r->steps[i].names);
		for (size_t j = 0; j < r->steps[i].wheres_count; j++)
			free(r->steps[i].wheres[j].text);
	}
	free(r);
}

/* The first reason stands. Returns 0, which is inih's error. */
__attribute__((format(printf, 3, 4))) static int fail(struct reading *r, int line,
						      const char *format, ...)
{
	va_list args;
	int used;

	if (r->failed)
		return 0;
	r->failed = true;
	used = snprintf(r->why, r->why_size, "%s:%d: ", r->path, line);
	if (used < 0 || (size_t)used >= r->why_size)
		return 0;
	va_start(args, format);
	vsnprintf(r->why + used, r->why_size - (size_t)used, format, args);
	va_end(args);
	return 0;
}

static int keep(struct reading *r, const char *text, char **out)
{
	*out = strdup(text);
	return *out ? 1 : fail(r, r->line, "out of memory");
}

/* ---- [target] ---- */

static struct recipe_target *target_of(struct reading *r)
{
	return &r->recipes->targets[r->recipes->targets_count - 1];
}

/* Parts that the kernel resolves: with * in it nothing that it calls a file matches then. */
static bool has_dots(const char *path)
{
	while ((path = strstr(path, "/."))) {
		path += strspn(path, "/");
		size_t size = strcspn(path, "/");

		if (size <= 2 && strspn(path, ".") >= size)
			return true;
	}
	return false;
}

static int set_path(struct reading *r, unsigned int which, const char *value)
{
	(void)which;
	if (*value != '/' && *value != '*')
		return fail(
			r, r->line,
			"%s: a path is as processes map it, from the root on: begin it with a / "
			"or, wherever it is, with */",
			value);
	if (!keep(r, value, &target_of(r)->path))
		return 0;
	if (value[strlen(value) - 1] == '/')
		return fail(r, r->line, "%s is a directory: a path is of a file", value);
	if (recipe_target_is_pattern(target_of(r)) && has_dots(value))
		return fail(r, r->line,
			    "%s: what maps calls a file has no . and .. in it: leave them out, or "
			    "the * and ?",
			    value);
	return 1;
}

static int set_build_id(struct reading *r, unsigned int which, const char *value)
{
	struct recipe_target *target = target_of(r);
	size_t size = strlen(value);

	(void)which;
	if (size < 8 || size % 2 || size / 2 > sizeof(target->build_id) ||
	    value[strspn(value, "0123456789abcdefABCDEF")])
		return fail(r, r->line,
			    "build-id is 8 to 40 hexadecimal digits, an even number of them, as "
			    "readelf -n prints them");
	for (size_t i = 0; i < size / 2; i++) {
		char byte[] = { value[2 * i], value[2 * i + 1], '\0' };

		target->build_id[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	target->build_id_size = size / 2;
	return 1;
}

/* ---- [step] ---- */

static int set_where(struct reading *r, unsigned int which, const char *value)
{
	static const char *const kinds[] = { "symbol", "glob", "function", "site", "usdt" };
	struct recipe_step *step = r->step;
	size_t i, size = strcspn(value, " \t");
	const char *rest = value + size + strspn(value + size, " \t");
	struct recipe_where where = { .rule = (enum pb_rule_kind)which, .line = r->line };
	char *end;

	for (i = 0; i < 5 && (strlen(kinds[i]) != size || strncmp(value, kinds[i], size)); i++)
		;
	if (i == 5 || !*rest)
		return fail(
			r, r->line,
			"%s: a place is symbol NAME, glob PATTERN, function OFFSET, site OFFSET or "
			"usdt PROVIDER:NAME",
			value);
	if (step->wheres_count == RECIPE_WHERES_MAX)
		return fail(r, r->line, "more than %d places in one step", RECIPE_WHERES_MAX);
	where.kind = (enum recipe_site_kind)i;
	if (where.kind == RECIPE_PROBE && !strchr(rest, ':'))
		return fail(r, r->line, "usdt %s: it is PROVIDER:NAME", rest);
	if (where.kind == RECIPE_FUNCTION || where.kind == RECIPE_SITE) {
		errno = 0;
		where.offset = strtoull(rest, &end, 0);
		if (errno || *end || !isdigit((unsigned char)*rest))
			return fail(r, r->line, "%s is not an offset in the file", rest);
	} else if (!keep(r, rest, &where.text)) {
		return 0;
	}
	step->wheres[step->wheres_count++] = where;
	return 1;
}

enum value_key { INSTANCE, RESULT, MESSAGE, READY };

/* "dwarf", or "dwarf else" in front of a value. */
static bool take_dwarf(const char **value)
{
	static const char dwarf[] = "dwarf", otherwise[] = "else";
	const char *rest = *value + strlen(dwarf);

	if (strncmp(*value, dwarf, strlen(dwarf)) != 0)
		return false;
	if (*rest) {
		size_t blank = strspn(rest, " \t");

		rest += blank;
		if (!blank || strncmp(rest, otherwise, strlen(otherwise)) != 0 ||
		    !isspace((unsigned char)rest[strlen(otherwise)]))
			return false;
		rest += strlen(otherwise);
	}
	*value = rest;
	return true;
}

static int set_value(struct reading *r, unsigned int which, const char *value)
{
	struct recipe_value *values[] = { &r->step->instance, &r->step->result, &r->step->message,
					  &r->step->ready };

	if (which == INSTANCE && !strcmp(value, "none"))
		return 1;
	if (which == RESULT && take_dwarf(&value)) {
		r->step->dwarf = true;
		if (!*value)
			return 1;
	}
	if (recipe_value_parse(value, values[which]))
		return 1;
	return fail(
		r, r->line,
		"%s: a value is [u8..s64] [*]PLACE[+N], PLACE arg1..arg6, return, usdt1..usdt12 "
		"or %%REGISTER%s",
		value, which == RESULT ? "; a result may be dwarf, or dwarf else VALUE" : "");
}

static const char *take_ranges(struct recipe_step *step, const char *text, uint32_t outcome,
			       const char **at)
{
	const uint32_t none = UINT32_MAX;
	uint32_t before = step->values.otherwise;
	const char *wrong;

	step->values.otherwise = none;
	wrong = recipe_value_ranges(text, outcome, &step->values, at);
	if (step->values.otherwise == none) {
		step->values.otherwise = before;
	} else if (!wrong && step->other) {
		wrong = "has an \"other\", and so has a line before: all others have one meaning";
		*at = text;
	} else {
		step->other = true;
	}
	return wrong;
}

/* Which values mean what is looked at once it is known whether they are signed. */
static int set_values(struct reading *r, unsigned int which, const char *value)
{
	struct recipe_step *step = r->step;
	const char *wrong = NULL, *numbers = value, *at = value;
	char rest[LINE_MOST + 1];

	if (!step->result.place && !step->dwarf)
		return fail(r, r->line, "result comes before what its values mean");
	if (step->dwarf) {
		wrong = recipe_names_take(&step->names, value, which, rest);
		numbers = rest;
	}
	if (!wrong && *numbers) {
		step->values.result.is_signed = step->result.is_signed;
		step->values.result.width = step->result.width;
		step->numbered |= 1u << which;
		wrong = take_ranges(step, numbers, which, &at);
	}
	/* Of a list the one that it is, if there is one at all. */
	if (wrong && !at[strspn(at, ", ")])
		at = value;
	if (wrong)
		return fail(r, r->line, "%.*s %s",
			    (int)(at == value ? strlen(at) : strcspn(at, ",")), at, wrong);
	if (!step->result.place && step->values.ranges_count)
		return fail(r, r->line,
			    "%s: numbers are of a value, as in \"result = dwarf else u64 *return\"",
			    value);
	return 1;
}

enum choice_key { REFUSALS, OPTIONAL };

static int set_choice(struct reading *r, unsigned int which, const char *value)
{
	static const char *const choices[][2] = { { "auto", "own" }, { "no", "yes" } };
	bool *flags[] = { &r->step->own_refusals, &r->step->optional };
	unsigned int i;

	for (i = 0; i < 2 && strcmp(value, choices[which][i]); i++)
		;
	if (i == 2)
		return fail(r, r->line, "%s: it is %s or %s", value, choices[which][0],
			    choices[which][1]);
	*flags[which] = i;
	return 1;
}

/* "ret", "uretprobe", or "uretprobe, nothing-throws". */
static int set_returns(struct reading *r, unsigned int which, const char *value)
{
	static const char uretprobe[] = "uretprobe";
	const char *rest = value + strlen(uretprobe);

	(void)which;
	if (!strcmp(value, "ret"))
		return 1;
	r->step->uretprobe = !strncmp(value, uretprobe, strlen(uretprobe));
	if (r->step->uretprobe && *rest) {
		rest += strspn(rest, " \t");
		r->step->nothing_throws =
			*rest == ',' &&
			!strcmp(rest + 1 + strspn(rest + 1, " \t"), "nothing-throws");
	}
	if (r->step->uretprobe && (!*rest || r->step->nothing_throws))
		return 1;
	return fail(r, r->line, "%s: it is ret, uretprobe, or uretprobe, nothing-throws", value);
}

/* ---- Keys and sections ---- */

static const struct {
	struct key key;
	unsigned int which;
} target_keys[] = {
	{ { "path", set_path, false }, 0 },
	{ { "build-id", set_build_id, false }, 0 },
}, step_keys[] = {
	{ { "submit", set_where, true }, PB_RULE_SUBMIT },
	{ { "poll", set_where, true }, PB_RULE_POLL },
	{ { "end", set_where, true }, PB_RULE_END },
	{ { "instance", set_value, false }, INSTANCE },
	{ { "result", set_value, false }, RESULT },
	{ { "message", set_value, false }, MESSAGE },
	{ { "ready", set_value, false }, READY },
	{ { "accepted", set_values, true }, PUSHBACK_ACCEPTED },
	{ { "rejected", set_values, true }, PUSHBACK_REJECTED },
	{ { "propagated", set_values, true }, PUSHBACK_PROPAGATED },
	{ { "invalid", set_values, true }, PUSHBACK_INVALID },
	{ { "unknown", set_values, true }, PB_OUTCOME_UNKNOWN },
	{ { "refusals", set_choice, false }, REFUSALS },
	{ { "returns", set_returns, false }, 0 },
	{ { "optional", set_choice, false }, OPTIONAL },
};

#define STEP_KEYS (sizeof(step_keys) / sizeof(*step_keys))

static bool was_given(const struct recipe_step *step, const char *name)
{
	for (size_t i = 0; i < STEP_KEYS; i++)
		if (!strcmp(step_keys[i].key.name, name))
			return step->given & 1u << i;
	return false;
}

/* What a section lacks, once it is whole. */
static int end_section(struct reading *r)
{
	const uint32_t both = 1u << PUSHBACK_ACCEPTED | 1u << PUSHBACK_REJECTED;
	const struct recipe_step *step = r->step;

	r->step = NULL;
	if (!step)
		return !r->in_target || target_of(r)->path
			       ? 1
			       : fail(r, target_of(r)->line, "the target has no path");
	if (!was_given(step, "submit"))
		return fail(r, step->line, "the step has no submit");
	if (!was_given(step, "instance"))
		return fail(r, step->line,
			    "the step has no instance: where its pointer is (arg1), or none");
	if (!was_given(step, "result"))
		return fail(r, step->line,
			    "the step has no result: where it is, as \"s32 return\"");
	if (step->dwarf && !step->result.place)
		return !step->message.place ||
		       fail(r, step->line,
			    "with message the result says where it begins: \"dwarf else return\"");
	if (step->message.place && step->values.ranges_count)
		return fail(
			r, step->line,
			"with message the result has no values: refused is what is handed back");
	if (!step->message.place && (~step->numbered & both))
		return fail(r, step->line, "the step has not both accepted and rejected values");
	return 1;
}

static int check_target(struct reading *r)
{
	const struct recipes *all = r->recipes;

	if (!r->in_target ||
	    (all->steps_count && all->steps[all->steps_count - 1].target == all->targets_count - 1))
		return 1;
	return fail(r, target_of(r)->line, "the target has no [step]");
}

static int begin_target(struct reading *r)
{
	struct recipes *all = r->recipes;

	if (!check_target(r))
		return 0;
	if (all->targets_count == RECIPE_TARGETS_MAX)
		return fail(r, r->header, "more than %d targets", RECIPE_TARGETS_MAX);
	all->targets[all->targets_count++].line = r->header;
	r->in_target = true;
	return keep(r, r->path, &target_of(r)->file);
}

static int begin_step(struct reading *r, const char *name)
{
	struct recipes *all = r->recipes;

	if (!r->in_target)
		return fail(r, r->header, "a step before the [target] that it is in");
	if (all->steps_count == PB_MAX_KINDS)
		return fail(r, r->header, "more than %d steps", PB_MAX_KINDS);
	if (strlen(name) >= PUSHBACK_NAME_SIZE)
		return fail(r, r->header, "a step's name has at most %d bytes",
			    PUSHBACK_NAME_SIZE - 1);
	r->step = &all->steps[all->steps_count++];
	r->step->target = all->targets_count - 1;
	r->step->line = r->header;
	r->step->values.otherwise = PUSHBACK_INVALID;
	recipe_names_init(&r->step->names);
	return *name ? keep(r, name, &r->step->name) : 1;
}

static int begin_section(struct reading *r)
{
	const char *section = r->section;
	int ok;

	if (!end_section(r))
		return 0;
	if (!strcmp(section, "target"))
		ok = begin_target(r);
	else if (!strncmp(section, "step", 4) && (!section[4] || section[4] == ' '))
		ok = begin_step(r, section + 4 + strspn(section + 4, " "));
	else
		ok = fail(r, r->header, "[%s]: it is [target] or [step NAME]", section);
	r->header = 0;
	return ok;
}

static int set_of_target(struct reading *r, const char *name, const char *value)
{
	const struct recipe_target *target = target_of(r);

	for (size_t i = 0; i < sizeof(target_keys) / sizeof(*target_keys); i++) {
		if (strcmp(target_keys[i].key.name, name))
			continue;
		if (i ? target->build_id_size != 0 : target->path != NULL)
			return fail(r, r->line, "%s is given twice", name);
		return target_keys[i].key.set(r, 0, value);
	}
	return fail(r, r->line, "%s: a target has path and build-id", name);
}

static int set_of_step(struct reading *r, const char *name, const char *value)
{
	for (size_t i = 0; i < STEP_KEYS; i++) {
		if (strcmp(step_keys[i].key.name, name))
			continue;
		if (r->step->given & 1u << i && !step_keys[i].key.repeats)
			return fail(r, r->line, "%s is given twice", name);
		r->step->given |= 1u << i;
		return step_keys[i].key.set(r, step_keys[i].which, value);
	}
	return fail(r, r->line,
		    "%s: a step has submit, poll, end, instance, result, message, ready, accepted, "
		    "rejected, propagated, invalid, unknown, refusals, returns and optional",
		    name);
}

static int take(void *context, const char *section, const char *name, const char *value)
{
	struct reading *r = context;

	if (r->failed || (r->header && !begin_section(r)))
		return 0;
	if (!*section || !r->in_target)
		return fail(r, r->line, "%s before the first [target]", name);
	if (!*value)
		return fail(r, r->line, "%s has no value", name);
	if (!strncmp(value, RECIPE_TODO, strlen(RECIPE_TODO)))
		return fail(r, r->line, "%s is still to be filled in: " RECIPE_TODO, name);
	return r->step ? set_of_step(r, name, value) : set_of_target(r, name, value);
}

/* inih cuts a section's name short, and looks at nothing behind it. */
static void take_header(struct reading *r, const char *text)
{
	const char *end = strchr(text, ']'), *rest;
	size_t size = end ? (size_t)(end - text - 1) : 0;

	if (r->header)
		fail(r, r->header, "the section is empty");
	r->header = r->line;
	if (!end) {
		fail(r, r->line, "the section has no ]");
		return;
	}
	rest = end + 1 + strspn(end + 1, " \t\r\n");
	if (*rest && *rest != ';' && *rest != '#')
		fail(r, r->line, "there is something behind the section's ]");
	memcpy(r->section, text + 1, size);
	r->section[size] = '\0';
}

/* Without what inih would take for the rest of the line before. */
static void skip_spaces(struct reading *r, char *text)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t skip = r->line == 1 && !strncmp(text, bom, strlen(bom)) ? strlen(bom) : 0;

	skip += strspn(text + skip, " \t");
	memmove(text, text + skip, strlen(text + skip) + 1);
}

/* Lines are counted here, and sections seen: inih tells neither of two alike, nor of an empty one. */
static char *next_line(char *text, int size, void *context)
{
	struct reading *r = context;

	if (r->failed || !fgets(text, size, r->file))
		return NULL;
	r->line++;
	if (!strchr(text, '\n') && !feof(r->file)) {
		fail(r, r->line, "the line is too long: at most %d bytes", LINE_MOST);
		return NULL;
	}
	skip_spaces(r, text);
	if (*text == '[')
		take_header(r, text);
	return r->failed ? NULL : text;
}

static int check_end(struct reading *r)
{
	if (r->header)
		return fail(r, r->header, "the section is empty");
	if (!end_section(r))
		return 0;
	if (!r->in_target)
		return fail(r, r->line ? r->line : 1, "there is no [target] in it");
	return check_target(r);
}

int recipes_read(struct recipes *r, const char *path, char *why, size_t why_size)
{
	struct reading reading = { .recipes = r, .path = path, .why = why, .why_size = why_size };
	struct stat st;
	int line;

	reading.file = fopen(path, "re");
	if (reading.file && !fstat(fileno(reading.file), &st) && S_ISDIR(st.st_mode)) {
		fclose(reading.file);
		reading.file = NULL;
		errno = EISDIR;
	}
	if (!reading.file) {
		int err = errno;

		snprintf(why, why_size, "cannot read the recipe %s: %s", path, strerror(err));
		return -err;
	}
	line = ini_parse_stream(next_line, &reading, take, &reading);
	if (!reading.failed && line > 0)
		fail(&reading, line, "not KEY = VALUE, a [section] or a # comment");
	if (!reading.failed && ferror(reading.file))
		fail(&reading, reading.line + 1, "cannot be read");
	if (!reading.failed)
		check_end(&reading);
	fclose(reading.file);
	return reading.failed ? -EINVAL : 0;
}

bool recipe_target_is_pattern(const struct recipe_target *target)
{
	return strpbrk(target->path, "*?[");
}

bool recipe_target_names(const struct recipe_target *target, const char *path)
{
	return !fnmatch(target->path, path, 0);
}

bool recipe_target_fits(const struct recipe_target *target, const struct elfnote *note)
{
	return !target->build_id_size ||
	       (target->build_id_size <= note->build_id_size &&
		!memcmp(target->build_id, note->build_id, target->build_id_size));
}
