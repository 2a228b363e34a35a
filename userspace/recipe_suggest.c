/* SPDX-License-Identifier: MIT */
#include "recipe_suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf_image.h"
#include "elf_stapsdt.h"
#include "elf_symbols.h"
#include "elfnote_text.h"
#include "msg.h"
#include "recipe.h"
#include "suggest_name.h"
#include "symbol_name.h"
#include "symbol_suffix.h"

#define FUNCTIONS_MAX 512
#define PROBES_MAX    128 /* that are listed */
#define PATTERN_SIZE  150 /* a line of a recipe has 199 */
#define OWN_PROVIDER  "pushback"

/* A submit or poll. */
struct function {
	enum suggest_language language;
	enum suggest_call call;
	char step[PUSHBACK_NAME_SIZE];
	char *symbol;
	char *plain;
};

struct draft {
	FILE *out;
	struct elf_image image;
	struct function functions[FUNCTIONS_MAX];
	size_t count;
	bool more; /* than that */
	bool no_memory;
	char *probes[PROBES_MAX]; /* that were listed */
	size_t probes_count;
	size_t probes_more;
	struct recipe_draft *found;
};

/* ---- What there is ---- */

/* .symtab and .dynsym may both have it, and Rust has one of a name for each type. */
static bool is_known(const struct draft *d, const struct function *f)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct function *other = &d->functions[i];

		if (f->language == other->language && !strcmp(f->plain, other->plain))
			return true;
	}
	return false;
}

/* What the compiler has made of a submit is none: other arguments, or only a part of it. */
static void count_copy(struct draft *d, const struct elf_function *function, size_t stem)
{
	char *name = strndup(function->name, stem), *plain = name ? symbol_plain(name) : NULL;

	if (plain)
		d->found->copies += suggest_call(suggest_language(name), plain) == SUGGEST_SUBMIT;
	free(plain);
	free(name);
}

static bool take_function(const struct elf_function *function, void *context)
{
	struct draft *d = context;
	struct function f = { .language = suggest_language(function->name) };
	enum symbol_kind kind;
	size_t stem;

	d->found->functions++;
	kind = symbol_kind(function->name, &stem);
	if (kind == SYMBOL_COPY || kind == SYMBOL_PART)
		count_copy(d, function, stem);
	/* Cold parts and clones. */
	if (f.language == SUGGEST_C && strchr(function->name, '.'))
		return true;
	f.plain = symbol_plain(function->name);
	d->no_memory |= !f.plain;
	if (!f.plain)
		return false;
	f.call = strstr(f.plain, " [clone ") ? SUGGEST_NONE : suggest_call(f.language, f.plain);
	if (f.call == SUGGEST_NONE || is_known(d, &f) || d->count == FUNCTIONS_MAX) {
		d->more |= f.call != SUGGEST_NONE && d->count == FUNCTIONS_MAX;
		free(f.plain);
		return true;
	}
	suggest_step(f.language, f.plain, f.step, sizeof(f.step));
	f.symbol = strdup(function->name);
	d->no_memory |= !f.symbol;
	d->functions[d->count++] = f;
	return !d->no_memory;
}

static int by_step(const void *a, const void *b)
{
	const struct function *x = a, *y = b;
	int order = (int)x->language - (int)y->language;

	if (!order)
		order = strcmp(x->step, y->step);
	if (!order)
		order = (int)x->call - (int)y->call;
	return order ? order : strcmp(x->plain, y->plain);
}

/* ---- Probes of others ---- */

static bool was_listed(const struct draft *d, const char *line)
{
	for (size_t i = 0; i < d->probes_count; i++)
		if (!strcmp(d->probes[i], line))
			return true;
	return false;
}

static void take_probe(const struct elf_stapsdt *probe, void *context)
{
	struct draft *d = context;
	char *line;

	if (!probe->name || !probe->arguments)
		return;
	if (!strcmp(probe->provider, OWN_PROVIDER)) {
		d->found->ours = true;
		return;
	}
	if (asprintf(&line, "%s:%s  %s", probe->provider, probe->name, probe->arguments) < 0) {
		d->no_memory = true;
	} else if (was_listed(d, line)) {
		free(line);
	} else if (d->probes_count == PROBES_MAX) {
		d->probes_more++;
		free(line);
	} else {
		d->probes[d->probes_count++] = line;
	}
}

/* ---- The text ---- */

static void write_head(struct draft *d, const char *path, const struct elfnote *note)
{
	char build_id[ELFNOTE_TEXT_SIZE], safe[PATTERN_SIZE];

	elfnote_text_build_id(note, sizeof(build_id), build_id, sizeof(build_id));
	fprintf(d->out, "# A draft: fill in each " RECIPE_TODO ", drop what is no step, then\n"
			"#   pushback recipe check THIS-FILE\n");
	if (d->found->ours)
		fprintf(d->out, "# This file has pushback's own probes: they need no recipe, and "
				"cost less.\n");
	fprintf(d->out, "\n[target]\n");
	if (*path == '/')
		fprintf(d->out, "path = %s\n", msg_safe(safe, sizeof(safe), path));
	else
		fprintf(d->out, "path = */%s\n",
			msg_safe(safe, sizeof(safe),
				 strrchr(path, '/') ? strrchr(path, '/') + 1 : path));
	if (note->build_id_size)
		fprintf(d->out, "# Of no other build is anything probed.\nbuild-id = %s\n",
			build_id);
	else
		fprintf(d->out, "# It has no build-id: nothing tells when another build is "
				"there.\n");
}

static void write_where(struct draft *d, const struct function *f)
{
	const char *call = f->call == SUGGEST_SUBMIT ? "submit" : "poll";
	char text[PATTERN_SIZE];

	if (f->language == SUGGEST_C) {
		fprintf(d->out, "%s = symbol %s\n", call, msg_safe(text, sizeof(text), f->symbol));
		return;
	}
	suggest_glob(f->plain, text, sizeof(text));
	fprintf(d->out, "%s = glob %s\n", call, text);
}

static void write_values(struct draft *d, const char *result)
{
	fprintf(d->out,
		"result = " RECIPE_TODO " %s\n"
		"accepted = " RECIPE_TODO " values of the result that mean taken, as 0\n"
		"rejected = " RECIPE_TODO " those that mean not now, as -11\n"
		"# invalid = those that say the message is bad; so do all others\n",
		result);
}

static void write_ready(struct draft *d, bool has_poll)
{
	if (has_poll)
		fprintf(d->out, "# ready = u8 return, if what poll returns says that it can take "
				"one\n");
}

static void write_c(struct draft *d)
{
	fprintf(d->out, "# C: by convention the first argument is the step; none: there is one.\n"
			"instance = arg1\n");
	write_values(d, "where it is, as s32 return (an int) or u8 return (a bool)");
}

static void write_cxx(struct draft *d)
{
	fprintf(d->out, "# C++: this is arg1, but arg2 where submit returns a class by value, "
			"whose address is\n# arg1 then. The name does not say which.\n"
			"instance = " RECIPE_TODO " arg1 (this), or arg2\n");
	write_values(d, "where it is, as s32 return, or u8 *(arg1+8) in a class by value");
}

/*
 * ProcessingStrategy::submit(&mut self, Message<T>) -> Result<(), SubmitError<T>>: the result is too
 * large for registers, so its address is the first argument. Not all compilers give that back.
 */
static void write_arroyo(struct draft *d)
{
	fprintf(d->out, "# Rust, arroyo's trait: arg1 is where the result goes, arg2 is self, arg3 "
			"the message. A\n# message that stands in the result is refused, whatever "
			"its type and the compiler; one that\n# is invalid counts as accepted "
			"then. Where there is debug\n# information result = dwarf tells these "
			"apart, without message.\n"
			"instance = arg2\nresult = arg1\nmessage = arg3\n"
			"# returns = uretprobe, nothing-throws ; where it ends in another function "
			"and never "
			"panics\n");
}

static void write_rust(struct draft *d)
{
	fprintf(d->out, "# Rust: self is arg1, but arg2 where the result goes to memory, whose "
			"address is arg1 then.\n# What is small is returned in a register.\n"
			"instance = " RECIPE_TODO " arg1 (self), or arg2\n");
	write_values(d, "where it is, as u8 return, or u64 *arg1 in memory; its layout is the "
			"compiler's");
}

static void write_step(struct draft *d, size_t first, size_t end)
{
	const struct function *f = &d->functions[first];
	bool has_poll = d->functions[end - 1].call == SUGGEST_POLL;
	char safe[PUSHBACK_NAME_SIZE];

	fprintf(d->out, "\n[step %s]\n", msg_safe(safe, sizeof(safe), f->step));
	for (size_t i = first; i < end && i - first < RECIPE_WHERES_MAX; i++)
		write_where(d, &d->functions[i]);
	if (f->language == SUGGEST_C)
		write_c(d);
	else if (f->language == SUGGEST_CXX)
		write_cxx(d);
	else if (suggest_is_arroyo(f->plain))
		write_arroyo(d);
	else
		write_rust(d);
	write_ready(d, has_poll);
}

/* Those of one step, one after the other. What only polls is none. */
static void write_steps(struct draft *d)
{
	size_t end;

	qsort(d->functions, d->count, sizeof(*d->functions), by_step);
	for (size_t first = 0; first < d->count; first = end) {
		const struct function *f = &d->functions[first];

		for (end = first + 1; end < d->count; end++)
			if (d->functions[end].language != f->language ||
			    strcmp(d->functions[end].step, f->step) != 0)
				break;
		if (f->call != SUGGEST_SUBMIT || d->found->steps == PB_MAX_KINDS)
			continue;
		write_step(d, first, end);
		d->found->steps++;
	}
}

static void write_none(struct draft *d)
{
	fprintf(d->out,
		"\n# No function is called submit: %s.\n[step " RECIPE_TODO "]\n"
		"submit = " RECIPE_TODO " symbol NAME, glob PATTERN, function OFFSET or "
		"usdt PROVIDER:NAME\n"
		"instance = " RECIPE_TODO " arg1, arg2, usdt1..., or none\n",
		d->found->copies      ? "the compiler has made others of them, as .isra"
		: d->found->functions ? "they are inlined, or called otherwise"
				      : "the file is stripped, there are no names");
	write_values(d, "where it is, as s32 return, or usdt2");
}

static void write_probes(struct draft *d)
{
	char safe[256];

	if (d->probes_count)
		fprintf(d->out, "\n# USDT probes that are there, with their arguments. Of one that "
				"tells of submits:\n#   submit = usdt PROVIDER:NAME\n"
				"#   instance = usdt1\n#   result = usdt2\n#\n");
	for (size_t i = 0; i < d->probes_count; i++)
		fprintf(d->out, "#   %s\n", msg_safe(safe, sizeof(safe), d->probes[i]));
	if (d->probes_more)
		fprintf(d->out, "#   ... and %zu more\n", d->probes_more);
	d->found->probes = d->probes_count + d->probes_more;
}

static int fill(struct draft *d, const char *path, const struct elfnote *note)
{
	int err = elf_symbols_each(&d->image, take_function, d);

	elf_stapsdt_each(&d->image, take_probe, d);
	if (d->no_memory)
		return -ENOMEM;
	if (err)
		return err;
	write_head(d, path, note);
	write_steps(d);
	if (!d->found->steps)
		write_none(d);
	write_probes(d);
	return 0;
}

static void free_draft(struct draft *d)
{
	for (size_t i = 0; i < d->count; i++) {
		free(d->functions[i].symbol);
		free(d->functions[i].plain);
	}
	for (size_t i = 0; i < d->probes_count; i++)
		free(d->probes[i]);
	free(d);
}

int recipe_suggest(int fd, const char *path, const struct elfnote *note, FILE *out,
		   struct recipe_draft *found)
{
	struct draft *d = calloc(1, sizeof(*d));
	int err;

	*found = (struct recipe_draft){ 0 };
	if (!d)
		return -ENOMEM;
	d->out = out;
	d->found = found;
	err = elf_image_open(&d->image, fd);
	if (!err) {
		err = fill(d, path, note);
		elf_image_close(&d->image);
	}
	free_draft(d);
	return err;
}
