/* SPDX-License-Identifier: MIT */
/* recipe_function.c - where a function is entered, and where it returns */
#include "recipe_internal.h"

#include <errno.h>
#include <string.h>

#include "elf_unwind.h"
#include "recipe_tail.h"
#include "symbol_suffix.h"

/* A call's own push of where to return to: gone where a uretprobe is hit. */
#if defined(__x86_64__)
#define RETURN_SIZE 8
#else
#define RETURN_SIZE 0
#endif

bool recipe_internal_is_part(const char *name)
{
	enum symbol_kind kind = symbol_kind(name, NULL);

	return kind == SYMBOL_COLD || kind == SYMBOL_PART;
}

bool recipe_internal_find(uint64_t address, struct insn_code *out, void *context)
{
	struct recipe_search *s = context;
	struct elf_function function;

	if (!elf_ranges_find(s->ranges, address, &function))
		return false;
	*out = (struct insn_code){ .address = function.address,
				   .size = function.size,
				   .cold = recipe_internal_is_part(function.name) };
	return true;
}

bool recipe_internal_load(struct insn_code *code, void *context)
{
	struct recipe_search *s = context;

	if (code->size > INSN_CODE_MAX)
		return false;
	code->bytes = elf_code(&s->image, code->address, code->size);
	return code->bytes;
}

static bool find_word(uint64_t address, uint64_t *out, void *context)
{
	return elf_word(&((struct recipe_search *)context)->image, address, out);
}

/* Of what is read as a function is entered, the registers. */
static void need(struct insn_options *options, const struct recipe_value *value)
{
	int at = recipe_value_register(value);

	if (at >= 0)
		options->needs[options->needs_count++] = (unsigned int)at;
}

static struct insn_site begin_of(const struct insn_code *code)
{
	struct insn_site begin = { .address = code->address, .cost = INSN_STEPPED };

	insn_site(code, code->address, &begin.cost);
	return begin;
}

static int refuse_tail_call(struct recipe_search *s, const struct insn_function *f,
			    const char *function)
{
	return recipe_internal_fail(
		s, -EINVAL,
		"%s ends by a jump to another function (at 0x%llx): its result cannot be read "
		"there; name that function, or set returns = uretprobe if no exception or panic "
		"ever passes through it (it would end the process)",
		function, (unsigned long long)f->tail_call);
}

/* What follows has killed who unwinds through it: that it does not is the recipe's word, or the file's. */
static int add_uretprobe(struct recipe_search *s, int rule, const struct insn_code *code)
{
	const char *function = s->out->rules[rule].function;
	struct insn_site begin = begin_of(code);
	char why[256];

	if (!s->step->nothing_throws && elf_may_unwind(&s->image, why, sizeof(why)))
		return recipe_internal_fail(
			s, -EINVAL,
			"%s: an exception or a panic that passes through it would end the "
			"process, by its uretprobe, and %s; if none ever does, say returns = "
			"uretprobe, nothing-throws",
			function, why);
	begin.below = (uint32_t)-RETURN_SIZE;
	return recipe_internal_at(s, rule, RECIPE_LEAVE_RETURN, &begin);
}

/* It has to be probed where it begins, as nothing else tells of its end. */
static bool ends_elsewhere(const struct insn_function *f)
{
	return f->tail_call || f->too_many;
}

static int add_leaves(struct recipe_search *s, int rule, const struct insn_code *code,
		      const struct insn_function *f)
{
	const char *function = s->out->rules[rule].function;

	if (s->where->rule == PB_RULE_END)
		return 0;
	if (s->step->uretprobe && ends_elsewhere(f))
		return add_uretprobe(s, rule, code);
	if (f->tail_call) {
		int err = recipe_tail_add(s, rule, code);

		return err == -ENOTSUP ? refuse_tail_call(s, f, function) : err;
	}
	if (f->too_many)
		return recipe_internal_fail(s, -E2BIG, "%s has more than %d returns", function,
					    INSN_RETURNS_MAX);
	if (!f->returns_count)
		return recipe_internal_fail(s, -EINVAL, "%s never returns", function);
	for (size_t i = 0; i < f->returns_count; i++)
		if (recipe_internal_at(s, rule, RECIPE_LEAVE, &f->returns[i]))
			return s->err;
	return 0;
}

/* By debug information, where the recipe asks for it. */
static int find_result(struct recipe_search *s, uint64_t function, struct recipe_rule *r)
{
	char why[256];
	int err;

	if (!s->step->dwarf || s->where->rule != PB_RULE_SUBMIT)
		return 0;
	if (symbol_kind(r->function, NULL) == SYMBOL_PART)
		return recipe_internal_fail(s, -EINVAL,
					    "%s is a part of a function, and debug information "
					    "does not say what it returns",
					    r->function);
	err = recipe_result_find(&s->debug, &s->image, function, s->step, &r->rule, why,
				 sizeof(why));
	r->by_dwarf = !err;
	if (err < 0)
		return recipe_internal_fail(s, err, "%s: %s%s", r->function, why,
					    err == -ENODATA ? "; give a value behind dwarf else"
							    : "");
	return 0;
}

int recipe_internal_function(struct recipe_search *s, const struct elf_function *function,
			     char *name)
{
	struct insn_options options = { .find = recipe_internal_find,
					.load = recipe_internal_load,
					.word = find_word,
					.context = s,
					.work_left = &s->work_left };
	struct insn_function f;
	struct insn_code code = { .bytes = elf_code(&s->image, function->address, function->size),
				  .address = function->address,
				  .size = function->size };
	bool is_short = s->work_left < INSN_WORK_MAX;
	uint64_t wrong;
	int rule = recipe_internal_rule(s, name, NULL), err;

	if (rule < 0)
		return rule;
	if (!recipe_internal_has_time(s))
		return s->err;
	s->out->rules[rule].address = function->address;
	s->found++;
	if (!code.bytes)
		return recipe_internal_fail(s, -EINVAL, "%s is not in its code", name);
	if (find_result(s, code.address, &s->out->rules[rule]))
		return s->err;
	need(&options, &s->step->instance);
	need(&options, &s->step->message);
	if (s->out->rules[rule].rule.result.at_entry)
		options.needs[options.needs_count++] = s->out->rules[rule].rule.result.at;
	err = insn_function(&code, &options, &f, &wrong);
	if (err == -ENOTSUP)
		return recipe_internal_fail(
			s, err, "functions of this machine are not decoded: name USDT probes");
	if (err == -E2BIG && is_short)
		return recipe_internal_too_much(s);
	if (err == -E2BIG)
		return recipe_internal_fail(
			s, err, "%s jumps to more than %u MiB of other functions: name USDT probes",
			name, INSN_WORK_MAX >> 20);
	if (err == -EFBIG)
		return recipe_internal_fail(s, err, "%s has more than %u MiB of code", name,
					    INSN_CODE_MAX >> 20);
	if (err)
		return recipe_internal_fail(s, err,
					    err == -EACCES
						    ? "%s: the kernel takes no probe at 0x%llx"
						    : "%s cannot be decoded at 0x%llx",
					    name, (unsigned long long)wrong);
	/* A uretprobe is hit where the function begins anyway. */
	if (s->step->uretprobe && ends_elsewhere(&f))
		f.entry = begin_of(&code);
	s->out->rules[rule].rule.entry = (uint32_t)(f.entry.address - code.address);
	err = recipe_internal_at(s, rule, RECIPE_ENTER, &f.entry);
	return err ? err : add_leaves(s, rule, &code, &f);
}
