/* SPDX-License-Identifier: MIT */
#include "recipe_sites.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol_name.h"
#include "elf_image.h"
#include "elf_stapsdt.h"
#include "elf_symbols.h"
#include "recipe_result.h"
#include "symbol_suffix.h"

/* A call's own push of where to return to: gone where a uretprobe is hit. */
#if defined(__x86_64__)
#define RETURN_SIZE 8
#else
#define RETURN_SIZE 0
#endif

/* A finding in progress. */
struct search {
	const struct recipes *recipes;
	const char *path;
	struct elf_image image;
	bool opened, told; /* told: something of the file is wrong */
	struct elf_ranges *ranges;
	struct recipe_debug debug;
	struct recipe_sites *out;
	/* The place that is looked for. */
	const struct recipe_target *target;
	const struct recipe_step *step;
	const struct recipe_where *where;
	uint32_t number; /* of the step, among all recipes' */
	size_t found;
	int err;
	recipe_problem_fn *problem; /* NULL: the first is the end */
	void *context;
	char *why;
	size_t why_size;
};

__attribute__((format(printf, 3, 4))) static int fail(struct search *s, int err, const char *format,
						      ...)
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

static int no_memory(struct search *s)
{
	return fail(s, -ENOMEM, "out of memory");
}

/* ---- Rules ---- */

static int bind(struct search *s, const char *key, const struct recipe_value *value,
		const char *usdt, struct pb_source *out)
{
	const char *wrong = recipe_value_bind(value, usdt, out);

	return wrong ? fail(s, -EINVAL, "the step's %s %s", key, wrong) : 0;
}

/* Where the outcome of a submit, or whether a poll is ready, is read. */
static int bind_result(struct search *s, const char *usdt, struct pb_rule *rule)
{
	const struct recipe_step *step = s->step;

	if (s->where->rule == PB_RULE_SUBMIT) {
		bool function = s->where->kind != RECIPE_PROBE && s->where->kind != RECIPE_SITE;

		if (!function && !step->result.place)
			return fail(s, -EINVAL,
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
static int add_rule(struct search *s, char *function, const char *usdt)
{
	struct recipe_rule *r = &s->out->rules[s->out->rules_count];
	const struct recipe_step *step = s->step;

	if (!function)
		return no_memory(s);
	if (s->out->rules_count == RECIPE_RULES_MAX) {
		free(function);
		return fail(s, -E2BIG, "more than %d functions and probes", RECIPE_RULES_MAX);
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

static int add_site(struct search *s, const struct recipe_site *site)
{
	const struct recipe_sites *out = s->out;

	for (size_t i = 0; i < out->sites_count; i++)
		if (out->sites[i].offset == site->offset && out->sites[i].hit == site->hit)
			return fail(s, -EEXIST, "%s is named twice: line %d has it as well",
				    out->rules[site->rule].function,
				    out->rules[out->sites[i].rule].where->line);
	if (out->sites_count == RECIPE_SITES_MAX)
		return fail(s, -E2BIG, "more than %d probe sites", RECIPE_SITES_MAX);
	s->out->sites[s->out->sites_count++] = *site;
	return 0;
}

/* At an address of the file's code. */
static int add_at(struct search *s, int rule, enum recipe_hit hit, const struct insn_site *at)
{
	struct recipe_site site = {
		.hit = hit, .rule = (uint32_t)rule, .below = (int32_t)at->below, .cost = at->cost
	};

	if (!elf_image_offset(&s->image, at->address, 1, PF_X, &site.offset))
		return fail(s, -EINVAL, "%s is not in its code", s->out->rules[rule].function);
	return add_site(s, &site);
}

static bool find_code(uint64_t address, struct insn_code *out, void *context)
{
	struct search *s = context;
	struct elf_function function;

	if (!elf_ranges_find(s->ranges, address, &function))
		return false;
	*out = (struct insn_code){ .bytes = elf_code(&s->image, function.address, function.size),
				   .address = function.address,
				   .size = function.size,
				   .cold = symbol_kind(function.name, NULL) == SYMBOL_COLD };
	return out->bytes;
}

static bool find_word(uint64_t address, uint64_t *out, void *context)
{
	return elf_word(&((struct search *)context)->image, address, out);
}

/* Of what is read as a function is entered, the registers. */
static void need(struct insn_options *options, const struct recipe_value *value)
{
	int at = recipe_value_register(value);

	if (at >= 0)
		options->needs[options->needs_count++] = (unsigned int)at;
}

static int refuse_tail_call(struct search *s, const struct insn_function *f, const char *function)
{
	return fail(s, -EINVAL,
		    "%s ends by a jump to another function (at 0x%llx): its result cannot be read "
		    "there; name that function, or set returns = uretprobe if no exception or "
		    "panic ever "
		    "passes through this step's functions (it would end the process)",
		    function, (unsigned long long)f->tail_call);
}

static struct insn_site begin_of(const struct insn_code *code)
{
	struct insn_site begin = { .address = code->address, .cost = INSN_STEPPED };

	insn_site(code, code->address, &begin.cost);
	return begin;
}

static int add_uretprobe(struct search *s, int rule, const struct insn_code *code)
{
	struct insn_site begin = begin_of(code);

	begin.below = (uint32_t)-RETURN_SIZE;
	return add_at(s, rule, RECIPE_LEAVE_RETURN, &begin);
}

static int add_leaves(struct search *s, int rule, const struct insn_code *code,
		      const struct insn_function *f)
{
	const char *function = s->out->rules[rule].function;

	if (s->where->rule == PB_RULE_END)
		return 0;
	if (s->step->uretprobe)
		return add_uretprobe(s, rule, code);
	if (f->tail_call)
		return refuse_tail_call(s, f, function);
	if (f->too_many)
		return fail(s, -E2BIG, "%s has more than %d returns", function, INSN_RETURNS_MAX);
	if (!f->returns_count)
		return fail(s, -EINVAL, "%s never returns", function);
	for (size_t i = 0; i < f->returns_count; i++)
		if (add_at(s, rule, RECIPE_LEAVE, &f->returns[i]))
			return s->err;
	return 0;
}

/* By debug information, where the recipe asks for it. */
static int find_result(struct search *s, uint64_t function, struct recipe_rule *r)
{
	char why[256];
	int err;

	if (!s->step->dwarf || s->where->rule != PB_RULE_SUBMIT)
		return 0;
	err = recipe_result_find(&s->debug, &s->image, function, s->step, &r->rule, why,
				 sizeof(why));
	r->by_dwarf = !err;
	if (err < 0)
		return fail(s, err, "%s: %s%s", r->function, why,
			    err == -ENODATA ? "; give a value behind dwarf else" : "");
	return 0;
}

static int add_function(struct search *s, const struct elf_function *function, char *name)
{
	struct insn_options options = { .find = find_code, .word = find_word, .context = s };
	struct insn_function f;
	struct insn_code code = { .bytes = elf_code(&s->image, function->address, function->size),
				  .address = function->address,
				  .size = function->size };
	uint64_t wrong;
	int rule = add_rule(s, name, NULL), err;

	if (rule < 0)
		return rule;
	s->out->rules[rule].address = function->address;
	s->found++;
	if (!code.bytes)
		return fail(s, -EINVAL, "%s is not in its code", name);
	if (find_result(s, code.address, &s->out->rules[rule]))
		return s->err;
	need(&options, &s->step->instance);
	need(&options, &s->step->message);
	if (s->out->rules[rule].rule.result.at_entry)
		options.needs[options.needs_count++] = s->out->rules[rule].rule.result.at;
	err = insn_function(&code, &options, &f, &wrong);
	if (err == -ENOTSUP)
		return fail(s, err, "functions of this machine are not decoded: name USDT probes");
	if (err)
		return fail(s, err,
			    err == -EACCES ? "%s: the kernel takes no probe at 0x%llx"
					   : "%s cannot be decoded at 0x%llx",
			    name, (unsigned long long)wrong);
	/* A uretprobe is hit where the function begins anyway. */
	if (s->step->uretprobe)
		f.entry = begin_of(&code);
	err = add_at(s, rule, RECIPE_ENTER, &f.entry);
	return err ? err : add_leaves(s, rule, &code, &f);
}

/* ---- Places ---- */

static bool was_met(const struct search *s, uint64_t address)
{
	for (size_t i = 0; i < s->out->rules_count; i++)
		if (s->out->rules[i].where == s->where && s->out->rules[i].address == address)
			return true;
	return false;
}

/* Whether this step names it by all of its name. */
static bool is_said(const struct search *s, const char *name)
{
	for (size_t i = 0; i < s->step->wheres_count; i++) {
		const struct recipe_where *where = &s->step->wheres[i];

		if (where->kind == RECIPE_SYMBOL && !strcmp(where->text, name))
			return true;
	}
	return false;
}

/* 1: it is what is looked for; then its name is in *plain. 0: it is not; -ENOMEM. */
static int is_meant(const struct search *s, const char *name, char **plain)
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
static bool take_clone(struct search *s, const struct elf_function *function, size_t stem)
{
	char *name = strndup(function->name, stem), *plain = NULL;
	int meant = name ? is_meant(s, name, &plain) : -ENOMEM;

	free(name);
	free(plain);
	if (meant < 0)
		no_memory(s);
	else if (meant && !is_said(s, function->name))
		fail(s, -EINVAL,
		     "the compiler has changed the arguments of a function (%s): name that one as "
		     "well "
		     "if you know them, or build with -fno-ipa-sra -fno-ipa-cp",
		     function->name);
	return !s->err;
}

/* .symtab and .dynsym may both have it. Cold parts of functions are found by what jumps to them. */
static bool take_symbol(const struct elf_function *function, void *context)
{
	struct search *s = context;
	const char *suffix = symbol_clone(function->name);
	char *name;
	int meant;

	if (symbol_kind(function->name, NULL) == SYMBOL_COLD)
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
	return !add_function(s, function, name);
}

static int find_symbols(struct search *s)
{
	int err = elf_symbols_each(&s->image, take_symbol, s);

	if (s->err)
		return s->err;
	if (err)
		return fail(s, err, "its symbols cannot be read");
	if (s->found || s->step->optional)
		return 0;
	return fail(s, -ENOENT, "no function %s %s: %s",
		    s->where->kind == RECIPE_GLOB ? "matches" : "is", s->where->text,
		    recipe_where_hint(s->where));
}

static int find_offset(struct search *s)
{
	struct elf_function function;
	struct insn_site site = { 0 };
	struct insn_code code;
	const char *wrong;
	uint64_t address;
	int rule;

	if (!elf_code_address(&s->image, s->where->offset, &address))
		return fail(s, -EINVAL, "0x%llx is not in its code",
			    (unsigned long long)s->where->offset);
	if (!elf_ranges_find(s->ranges, address, &function))
		return fail(s, -ENOENT, "no function is known at 0x%llx: no symbol, no .eh_frame",
			    (unsigned long long)s->where->offset);
	if (s->where->kind == RECIPE_FUNCTION && function.address != address)
		return fail(s, -EINVAL,
			    "0x%llx is not where a function begins, but 0x%llx into one",
			    (unsigned long long)s->where->offset,
			    (unsigned long long)(address - function.address));
	if (s->where->kind == RECIPE_FUNCTION)
		return add_function(s, &function,
				    *function.name ? symbol_plain(function.name)
						   : symbol_of_offset(s->where->offset));
	if (!find_code(address, &code, s))
		return fail(s, -EINVAL, "its code cannot be read");
	wrong = insn_site(&code, address, &site.cost);
	if (wrong)
		return fail(s, -EINVAL, "0x%llx: %s", (unsigned long long)s->where->offset, wrong);
	rule = add_rule(s, symbol_of_offset(s->where->offset), NULL);
	site.address = address;
	return rule < 0 ? rule : add_at(s, rule, RECIPE_ALL, &site);
}

static bool is_named(const struct recipe_where *where, const struct elf_stapsdt *probe)
{
	size_t size = strlen(probe->provider);

	return !strncmp(where->text, probe->provider, size) && where->text[size] == ':' &&
	       !strcmp(where->text + size + 1, probe->name);
}

/* What the kernel counts in, so that the program knows that it is watched. */
static bool locate_semaphore(const struct search *s, uint64_t address, uint64_t *out)
{
	return !address || (elf_image_offset(&s->image, address, 2, PF_W, out) &&
			    !elf_image_is_relro(&s->image, address, 2));
}

static void take_probe(const struct elf_stapsdt *probe, void *context)
{
	struct search *s = context;
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
	rule = add_rule(s, name, probe->arguments);
	if (rule < 0)
		return;
	s->found++;
	site.rule = (uint32_t)rule;
	site.cost = *code == 0x90 ? INSN_EMULATED : INSN_STEPPED;
	add_site(s, &site);
}

static int find_probes(struct search *s)
{
	elf_stapsdt_each(&s->image, take_probe, s);
	if (!s->err && !s->found)
		fail(s, -ENOENT, "it has no USDT probe %s: bpftrace -l 'usdt:%s:*' lists them",
		     s->where->text, s->path);
	return s->err;
}

static int find_place(struct search *s)
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
static int try_place(struct search *s)
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

static int find_all(struct search *s, size_t target)
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

static int open_file(struct search *s, int fd)
{
	int err = s->opened ? 0 : elf_image_open(&s->image, fd);

	if (s->opened)
		return 0;
	if (err)
		return fail(s, err, "it cannot be read as an ELF file");
	s->opened = true;
	s->out = calloc(1, sizeof(*s->out));
	s->ranges = elf_ranges_new(&s->image);
	return s->out && s->ranges ? 0 : no_memory(s);
}

static int find_target(struct search *s, size_t target, const struct recipe_file *file,
		       const struct elfnote *note)
{
	char other[RECIPE_TARGET_TEXT];

	if (!recipe_target_is(&s->recipes->targets[target], file))
		return 0;
	s->target = &s->recipes->targets[target];
	if (!recipe_target_fits(s->target, note))
		return fail(s, -EKEYREJECTED, "%s", recipe_target_other_build(note, other));
	return open_file(s, file->fd) ? s->err : find_all(s, target);
}

int recipe_sites_check(const struct recipes *recipes, const struct recipe_file *file,
		       const struct elfnote *note, struct recipe_sites **out, char *why,
		       size_t why_size, recipe_problem_fn *problem, void *context)
{
	struct search s = { .recipes = recipes,
			    .path = file->path,
			    .debug.note = note,
			    .problem = problem,
			    .context = context,
			    .why = why,
			    .why_size = why_size };

	for (size_t i = 0; !s.err && i < recipes->targets_count; i++)
		find_target(&s, i, file, note);
	/* Of all its targets together. */
	if (s.opened && !s.err && !s.out->sites_count && !s.told)
		fail(&s, -ENOENT, "it has none of the steps, all of which are optional");
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

void recipe_sites_free(struct recipe_sites *sites)
{
	if (!sites)
		return;
	drop_rules(sites, 0);
	free(sites);
}
