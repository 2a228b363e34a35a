/* SPDX-License-Identifier: MIT */
#include "recipe_sites.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_time.h"
#include "symbol_name.h"
#include "elf_image.h"
#include "elf_stapsdt.h"
#include "elf_symbols.h"
#include "recipe_internal.h"
#include "recipe_tail.h"

#define MOST_NS   10000000000ull /* of a CPU, for the symbols of one file */
#define LOOKED_AT 64             /* symbols, between two looks at that */

int recipe_internal_fail(struct recipe_search *s, int err, const char *format, ...)
{
	va_list args;
	int used;

	if (s->err)
		return s->err;
	s->err = err;
	used = snprintf(s->why, s->why_size, "%s:%d: %s: ", s->target->file,
			s->where ? s->where->line : s->target->line, s->path);
	if (used < 0 || (size_t)used >= s->why_size)
		return err;
	va_start(args, format);
	vsnprintf(s->why + used, s->why_size - (size_t)used, format, args);
	va_end(args);
	return err;
}

static int no_memory(struct recipe_search *s)
{
	return recipe_internal_fail(s, -ENOMEM, "out of memory");
}

/* ---- Rules ---- */

static int bind(struct recipe_search *s, const char *key, const struct recipe_value *value,
		const char *usdt, struct pb_source *out)
{
	const char *wrong = recipe_value_bind(value, usdt, out);

	return wrong ? recipe_internal_fail(s, -EINVAL, "the step's %s %s", key, wrong) : 0;
}

/* Where the outcome of a submit, or whether a poll is ready, is read. */
static int bind_result(struct recipe_search *s, const char *usdt, struct pb_rule *rule)
{
	const struct recipe_step *step = s->step;

	if (s->where->rule == PB_RULE_SUBMIT) {
		bool function = s->where->kind != RECIPE_PROBE && s->where->kind != RECIPE_SITE;

		if (!function && !step->result.place)
			return recipe_internal_fail(
				s, -EINVAL,
				"debug information tells what a function returns, and this is "
				"none: give a value");
		if (bind(s, "result", &step->result, usdt, &rule->result) ||
		    (step->message.place &&
		     bind(s, "message", &step->message, usdt, &rule->message)))
			return s->err;
		return 0;
	}
	rule->ranges_count = 0;
	if (s->where->rule == PB_RULE_END || !step->ready.place)
		return 0;
	rule->ranges[rule->ranges_count++] = (struct pb_range){ .outcome = PUSHBACK_REJECTED };
	rule->otherwise = PUSHBACK_ACCEPTED;
	return bind(s, "ready", &step->ready, usdt, &rule->result);
}

/* Its number, or -errno. `function` is the caller's no more. */
int recipe_internal_rule(struct recipe_search *s, char *function, const char *usdt)
{
	struct recipe_rule *r = &s->out->rules[s->out->rules_count];
	const struct recipe_step *step = s->step;

	if (!function)
		return no_memory(s);
	if (s->out->rules_count == RECIPE_RULES_MAX) {
		free(function);
		return recipe_internal_fail(s, -E2BIG, "more than %d functions and probes",
					    RECIPE_RULES_MAX);
	}
	s->out->rules_count++;
	*r = (struct recipe_rule){ .rule = step->values, .function = function, .where = s->where };
	r->rule.kind = s->where->rule;
	r->rule.step = s->number;
	r->rule.flags = step->own_refusals ? PB_RULE_OWN_REFUSALS : 0;
	if (step->name)
		strncpy(r->rule.name, step->name, sizeof(r->rule.name) - 1);
	else
		symbol_owner(function, r->rule.name, sizeof(r->rule.name));
	if (bind(s, "instance", &step->instance, usdt, &r->rule.instance) ||
	    bind_result(s, usdt, &r->rule))
		return s->err;
	return (int)s->out->rules_count - 1;
}

/* ---- Sites ---- */

static int add_site(struct recipe_search *s, const struct recipe_site *site)
{
	const struct recipe_sites *out = s->out;

	for (size_t i = 0; i < out->sites_count; i++)
		if (out->sites[i].offset == site->offset && out->sites[i].hit == site->hit)
			return recipe_internal_fail(s, -EEXIST,
						    "%s is named twice: line %d has it as well",
						    out->rules[site->rule].function,
						    out->rules[out->sites[i].rule].where->line);
	if (out->sites_count == RECIPE_SITES_MAX)
		return recipe_internal_fail(s, -E2BIG, "more than %d probe sites",
					    RECIPE_SITES_MAX);
	s->out->sites[s->out->sites_count++] = *site;
	return 0;
}

/* At an address of the file's code. */
int recipe_internal_at(struct recipe_search *s, int rule, enum recipe_hit hit,
		       const struct insn_site *at)
{
	struct recipe_site site = {
		.hit = hit, .rule = (uint32_t)rule, .below = (int32_t)at->below, .cost = at->cost
	};

	if (!elf_image_offset(&s->image, at->address, 1, PF_X, &site.offset))
		return recipe_internal_fail(s, -EINVAL, "%s is not in its code",
					    s->out->rules[rule].function);
	return add_site(s, &site);
}

/* ---- Places ---- */

static bool was_met(const struct recipe_search *s, uint64_t address)
{
	for (size_t i = 0; i < s->out->rules_count; i++)
		if (s->out->rules[i].where == s->where && s->out->rules[i].address == address)
			return true;
	return false;
}

/* Whether this step names it by all of its name. */
static bool is_said(const struct recipe_search *s, const char *name)
{
	for (size_t i = 0; i < s->step->wheres_count; i++) {
		const struct recipe_where *where = &s->step->wheres[i];

		if (where->kind == RECIPE_SYMBOL && !strcmp(where->text, name))
			return true;
	}
	return false;
}

/* 1: it is what is looked for; then its name is in *plain. 0: it is not; -ENOMEM. */
static int is_meant(const struct recipe_search *s, const char *name, char **plain)
{
	bool symbol = s->where->kind == RECIPE_SYMBOL;

	*plain = NULL;
	if (symbol && strcmp(name, s->where->text) != 0)
		return 0;
	*plain = symbol_plain(name);
	if (!*plain)
		return -ENOMEM;
	if (symbol || !fnmatch(s->where->text, *plain, 0))
		return 1;
	free(*plain);
	*plain = NULL;
	return 0;
}

/* Calls of it would be missed, or its arguments be taken for what they are not. */
static bool take_clone(struct recipe_search *s, const struct elf_function *function, size_t stem)
{
	char *name = strndup(function->name, stem), *plain = NULL;
	int meant = name ? is_meant(s, name, &plain) : -ENOMEM;

	free(name);
	free(plain);
	if (meant < 0)
		no_memory(s);
	else if (meant && !is_said(s, function->name))
		recipe_internal_fail(s, -EINVAL,
				     "the compiler has changed the arguments of a function (%s): "
				     "name that one as "
				     "well "
				     "if you know them, or build with -fno-ipa-sra -fno-ipa-cp",
				     function->name);
	return !s->err;
}

/*
 * Millions of symbols take seconds, and names can be made that take a thousand times as long: nobody is drained
 * meanwhile. Who checks a recipe waits as long as they like.
 */
bool recipe_internal_has_time(struct recipe_search *s)
{
	if (s->problem || cpu_time_here() - s->began < MOST_NS)
		return true;
	recipe_internal_fail(
		s, -ETIME,
		"to look through its symbols takes more than %llu s: name functions by "
		"symbol, as pushback recipe suggest has them",
		MOST_NS / 1000000000);
	return false;
}

/* ---- Work ---- */

int recipe_internal_too_much(struct recipe_search *s)
{
	return recipe_internal_fail(
		s, -E2BIG,
		"its functions, with what they jump to, have more than %u MiB of code: name fewer "
		"of them, or USDT probes",
		RECIPE_WORK_MAX >> 20);
}

/*
 * Other than the time this is the same on each machine, and for who checks the recipe. Any function may be made
 * to take a second.
 */
bool recipe_internal_work(struct recipe_search *s, uint64_t bytes)
{
	if (bytes > s->work_left) {
		recipe_internal_too_much(s);
		return false;
	}
	s->work_left -= bytes;
	return true;
}

/* ---- Symbols ---- */

/* .symtab and .dynsym may both have it. Parts of functions are found by what jumps to them. */
static bool take_symbol(const struct elf_function *function, void *context)
{
	struct recipe_search *s = context;
	const char *suffix = symbol_clone(function->name);
	char *name;
	int meant;

	if (s->symbols++ % LOOKED_AT == 0 && !recipe_internal_has_time(s))
		return false;
	if (recipe_internal_is_part(function->name) && !is_said(s, function->name))
		return true;
	if (suffix && !is_said(s, function->name))
		return take_clone(s, function, (size_t)(suffix - function->name));
	meant = is_meant(s, function->name, &name);
	if (meant < 0)
		no_memory(s);
	if (meant <= 0 || was_met(s, function->address)) {
		free(name);
		return !s->err;
	}
	return !recipe_internal_function(s, function, name);
}

static int find_symbols(struct recipe_search *s)
{
	int err = elf_symbols_each(&s->image, take_symbol, s);

	if (s->err)
		return s->err;
	if (err)
		return recipe_internal_fail(s, err, "its symbols cannot be read");
	if (s->found || s->step->optional)
		return 0;
	return recipe_internal_fail(s, -ENOENT, "no function %s %s: %s",
				    s->where->kind == RECIPE_GLOB ? "matches" : "is",
				    s->where->text, recipe_where_hint(s->where));
}

static int find_offset(struct recipe_search *s)
{
	struct elf_function function;
	struct insn_site site = { 0 };
	struct insn_code code = { .bytes = NULL };
	const char *wrong;
	uint64_t address;
	int rule;

	if (!elf_code_address(&s->image, s->where->offset, &address))
		return recipe_internal_fail(s, -EINVAL, "0x%llx is not in its code",
					    (unsigned long long)s->where->offset);
	if (!elf_ranges_find(s->ranges, address, &function))
		return recipe_internal_fail(
			s, -ENOENT, "no function is known at 0x%llx: no symbol, no .eh_frame",
			(unsigned long long)s->where->offset);
	if (s->where->kind == RECIPE_FUNCTION && function.address != address)
		return recipe_internal_fail(
			s, -EINVAL, "0x%llx is not where a function begins, but 0x%llx into one",
			(unsigned long long)s->where->offset,
			(unsigned long long)(address - function.address));
	if (s->where->kind == RECIPE_FUNCTION)
		return recipe_internal_function(s, &function,
						*function.name
							? symbol_plain(function.name)
							: symbol_of_offset(s->where->offset));
	if (function.size > INSN_CODE_MAX)
		return recipe_internal_fail(
			s, -EFBIG, "0x%llx is in a function of more than %u MiB",
			(unsigned long long)s->where->offset, INSN_CODE_MAX >> 20);
	if (!recipe_internal_has_time(s) || !recipe_internal_work(s, address - function.address))
		return s->err;
	code.address = function.address;
	code.size = function.size;
	if (!recipe_internal_load(&code, s))
		return recipe_internal_fail(s, -EINVAL, "its code cannot be read");
	wrong = insn_site(&code, address, &site.cost);
	if (wrong)
		return recipe_internal_fail(s, -EINVAL, "0x%llx: %s",
					    (unsigned long long)s->where->offset, wrong);
	rule = recipe_internal_rule(s, symbol_of_offset(s->where->offset), NULL);
	site.address = address;
	return rule < 0 ? rule : recipe_internal_at(s, rule, RECIPE_ALL, &site);
}

static bool is_named(const struct recipe_where *where, const struct elf_stapsdt *probe)
{
	size_t size = strlen(probe->provider);

	return !strncmp(where->text, probe->provider, size) && where->text[size] == ':' &&
	       !strcmp(where->text + size + 1, probe->name);
}

/* What the kernel counts in, so that the program knows that it is watched. */
static bool locate_semaphore(const struct recipe_search *s, uint64_t address, uint64_t *out)
{
	return !address || (elf_image_offset(&s->image, address, 2, PF_W, out) &&
			    !elf_image_is_relro(&s->image, address, 2));
}

static void take_probe(const struct elf_stapsdt *probe, void *context)
{
	struct recipe_search *s = context;
	struct recipe_site site = { .hit = RECIPE_ALL };
	const uint8_t *code;
	char *name;
	int rule;

	if (s->err || !probe->name || !probe->arguments || !is_named(s->where, probe))
		return;
	code = elf_code(&s->image, probe->site, 1);
	/* A note of what the linker has left out. */
	if (!code || !elf_image_offset(&s->image, probe->site, 1, PF_X, &site.offset) ||
	    !locate_semaphore(s, probe->semaphore, &site.semaphore))
		return;
	if (asprintf(&name, "%s:%s", probe->provider, probe->name) < 0)
		name = NULL;
	rule = recipe_internal_rule(s, name, probe->arguments);
	if (rule < 0)
		return;
	s->found++;
	site.rule = (uint32_t)rule;
	site.cost = *code == 0x90 ? INSN_EMULATED : INSN_STEPPED;
	add_site(s, &site);
}

static int find_probes(struct recipe_search *s)
{
	elf_stapsdt_each(&s->image, take_probe, s);
	if (!s->err && !s->found)
		recipe_internal_fail(s, -ENOENT,
				     "it has no USDT probe %s: bpftrace -l 'usdt:%s:*' lists them",
				     s->where->text, s->path);
	return s->err;
}

static int find_place(struct recipe_search *s)
{
	s->found = 0;
	switch (s->where->kind) {
	case RECIPE_PROBE:
		return find_probes(s);
	case RECIPE_SYMBOL:
	case RECIPE_GLOB:
		return find_symbols(s);
	default:
		return find_offset(s);
	}
}

/* ---- All of a file ---- */

static void drop_rules(struct recipe_sites *sites, size_t count)
{
	while (sites->rules_count > count)
		free(sites->rules[--sites->rules_count].function);
}

/* What is wrong with one place says nothing of the others: they are looked at as well, if that is wanted. */
static int try_place(struct recipe_search *s)
{
	size_t sites = s->out->sites_count, rules = s->out->rules_count;

	if (!find_place(s) || !s->problem || s->err == -ENOMEM)
		return s->err;
	s->problem(s->why, s->context);
	s->told = true;
	s->err = 0;
	s->out->sites_count = sites;
	drop_rules(s->out, rules);
	return 0;
}

static int find_all(struct recipe_search *s, size_t target)
{
	for (size_t i = 0; i < s->recipes->steps_count; i++) {
		s->step = &s->recipes->steps[i];
		s->number = (uint32_t)i;
		if (s->step->target != target)
			continue;
		for (size_t j = 0; j < s->step->wheres_count; j++) {
			s->where = &s->step->wheres[j];
			if (try_place(s))
				return s->err;
		}
	}
	s->where = NULL;
	return 0;
}

static int open_file(struct recipe_search *s, int fd)
{
	int err = s->opened ? 0 : elf_image_open(&s->image, fd);

	if (s->opened)
		return 0;
	if (err)
		return recipe_internal_fail(s, err, "it cannot be read as an ELF file");
	s->opened = true;
	s->out = calloc(1, sizeof(*s->out));
	err = s->out ? elf_ranges_new(&s->image, &s->ranges) : -ENOMEM;
	if (err == -E2BIG)
		return recipe_internal_fail(s, err, "it has more than %u functions",
					    ELF_RANGES_MAX);
	return err ? no_memory(s) : 0;
}

static int find_target(struct recipe_search *s, size_t target, const struct recipe_file *file,
		       const struct elfnote *note)
{
	char other[RECIPE_TARGET_TEXT];

	if (!recipe_target_is(&s->recipes->targets[target], file))
		return 0;
	s->target = &s->recipes->targets[target];
	if (!recipe_target_fits(s->target, note))
		return recipe_internal_fail(s, -EKEYREJECTED, "%s",
					    recipe_target_other_build(note, other));
	return open_file(s, file->fd) ? s->err : find_all(s, target);
}

int recipe_sites_check(const struct recipes *recipes, const struct recipe_file *file,
		       const struct elfnote *note, struct recipe_sites **out, char *why,
		       size_t why_size, recipe_problem_fn *problem, void *context)
{
	struct recipe_search s = { .recipes = recipes,
				   .path = file->path,
				   .debug.note = note,
				   .began = cpu_time_here(),
				   .work_left = RECIPE_WORK_MAX,
				   .problem = problem,
				   .context = context,
				   .why = why,
				   .why_size = why_size };

	for (size_t i = 0; !s.err && i < recipes->targets_count; i++)
		find_target(&s, i, file, note);
	/* Of all its targets together. */
	if (s.opened && !s.err && !s.out->sites_count && !s.told)
		recipe_internal_fail(&s, -ENOENT,
				     "it has none of the steps, all of which are optional");
	if (!s.err)
		recipe_tail_check(&s);
	recipe_debug_close(&s.debug);
	elf_ranges_free(s.ranges);
	if (s.opened)
		elf_image_close(&s.image);
	if (s.err) {
		recipe_sites_free(s.out);
		s.out = NULL;
	}
	*out = s.out;
	return s.err;
}

int recipe_sites_find(const struct recipes *recipes, const struct recipe_file *file,
		      const struct elfnote *note, struct recipe_sites **out, char *why,
		      size_t why_size)
{
	return recipe_sites_check(recipes, file, note, out, why, why_size, NULL, NULL);
}

bool recipe_sites_warn(const struct recipe_sites *sites, const char *path, char *line,
		       size_t line_size)
{
	const char *first = NULL;
	size_t count = 0;
	char more[40] = "";

	for (size_t i = 0; i < sites->sites_count; i++) {
		if (sites->sites[i].hit != RECIPE_LEAVE_RETURN)
			continue;
		first = first ? first : sites->rules[sites->sites[i].rule].function;
		count++;
	}
	if (!count)
		return false;
	if (count > 1)
		snprintf(more, sizeof(more), " (and %zu more)", count - 1);
	snprintf(line, line_size,
		 "%s: %s%s: returns by a uretprobe; an exception or a panic that passes through "
		 "it ends the process",
		 path, first, more);
	return true;
}

void recipe_sites_free(struct recipe_sites *sites)
{
	if (!sites)
		return;
	drop_rules(sites, 0);
	free(sites);
}
