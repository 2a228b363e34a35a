/* SPDX-License-Identifier: MIT */
#include "recipe_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <asm/ptrace.h>

#define OTHER "other"

struct reg {
	const char *name;
	uint8_t width;
	uint16_t at;
};

#if defined(__x86_64__)
#define AT(field) offsetof(struct pt_regs, field)
/* Each by all of its names: a note says how wide the value is by which of them it uses. */
#define REG(field, q, d, w, b)                                         \
	{ q, 8, AT(field) }, { d, 4, AT(field) }, { w, 2, AT(field) }, \
	{                                                              \
		b, 1, AT(field)                                        \
	}
#define REG_N(n) REG(r##n, "r" #n, "r" #n "d", "r" #n "w", "r" #n "b")
static const struct reg regs[] = {
	REG(rax, "rax", "eax", "ax", "al"),
	REG(rbx, "rbx", "ebx", "bx", "bl"),
	REG(rcx, "rcx", "ecx", "cx", "cl"),
	REG(rdx, "rdx", "edx", "dx", "dl"),
	REG(rsi, "rsi", "esi", "si", "sil"),
	REG(rdi, "rdi", "edi", "di", "dil"),
	REG(rbp, "rbp", "ebp", "bp", "bpl"),
	REG(rsp, "rsp", "esp", "sp", "spl"),
	REG_N(8),
	REG_N(9),
	REG_N(10),
	REG_N(11),
	REG_N(12),
	REG_N(13),
	REG_N(14),
	REG_N(15),
};
static const uint16_t arguments[RECIPE_ARGUMENTS] = {
	AT(rdi), AT(rsi), AT(rdx), AT(rcx), AT(r8), AT(r9),
};
#define RETURNED AT(rax)
#else
#define X(n)                                                             \
	{ "x" #n, 8, offsetof(struct user_pt_regs, regs) + 8 * (n) },    \
	{                                                                \
		"w" #n, 4, offsetof(struct user_pt_regs, regs) + 8 * (n) \
	}
static const struct reg regs[] = {
	X(0),  X(1),  X(2),  X(3),
	X(4),  X(5),  X(6),  X(7),
	X(8),  X(9),  X(10), X(11),
	X(12), X(13), X(14), X(15),
	X(16), X(17), X(18), X(19),
	X(20), X(21), X(22), X(23),
	X(24), X(25), X(26), X(27),
	X(28), X(29), X(30), { "sp", 8, offsetof(struct user_pt_regs, sp) },
};
static const uint16_t arguments[RECIPE_ARGUMENTS] = { 0, 8, 16, 24, 32, 40 };
#define RETURNED 0
#endif

static const struct reg *find_register(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(regs) / sizeof(*regs); i++)
		if (strlen(regs[i].name) == size && !memcmp(regs[i].name, name, size))
			return &regs[i];
	return NULL;
}

int recipe_register_at(const char *name)
{
	const struct reg *reg = name ? find_register(name, strlen(name)) : NULL;

	return reg ? reg->at : -1;
}

/* ---- Texts ---- */

static void skip_spaces(const char **at)
{
	while (isspace((unsigned char)**at))
		(*at)++;
}

static bool take(const char **at, const char *word)
{
	size_t size = strlen(word);

	skip_spaces(at);
	if (strncmp(*at, word, size) != 0)
		return false;
	*at += size;
	return true;
}

/* Decimal or hexadecimal, with a sign or without; of 64 bits. */
static bool take_number(const char **at, uint64_t *out)
{
	bool negative = take(at, "-");
	char *end;

	skip_spaces(at);
	if (!isdigit((unsigned char)**at))
		return false;
	errno = 0;
	*out = strtoull(*at, &end, **at == '0' && ((*at)[1] | 0x20) == 'x' ? 16 : 10);
	if (errno || (negative && *out > 1ull << 63))
		return false;
	if (negative)
		*out = -*out;
	*at = end;
	return true;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static void take_type(const char **at, struct recipe_value *out)
{
	static const char *const types[] = { "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64" };

	out->width = 8;
	skip_spaces(at);
	for (unsigned int i = 0; i < 8; i++) {
		size_t size = strlen(types[i]);

		if (strncmp(*at, types[i], size) != 0 || is_word((*at)[size]))
			continue;
		*at += size;
		out->width = (uint8_t)(1u << (i & 3));
		out->is_signed = i >= 4;
		out->typed = true;
		return;
	}
}

/* "arg" and a number from 1 to `most`. */
static bool take_numbered(const char **at, const char *word, unsigned int most, unsigned int *out)
{
	const char *start = *at;
	uint64_t number;

	if (take(at, word) && isdigit((unsigned char)**at) && take_number(at, &number) &&
	    number >= 1 && number <= most) {
		*out = (unsigned int)number;
		return true;
	}
	*at = start;
	return false;
}

static bool take_register(const char **at, struct recipe_value *out)
{
	const struct reg *reg;
	const char *end;

	if (!take(at, "%"))
		return false;
	for (end = *at; is_word(*end); end++)
		;
	reg = find_register(*at, (size_t)(end - *at));
	if (!reg)
		return false;
	*at = end;
	out->place = RECIPE_REGISTER;
	out->number = reg->at;
	return true;
}

static bool take_place(const char **at, struct recipe_value *out)
{
	skip_spaces(at);
	if (take_numbered(at, "arg", RECIPE_ARGUMENTS, &out->number))
		out->place = RECIPE_ARGUMENT;
	else if (take_numbered(at, "usdt", RECIPE_USDT_ARGUMENTS, &out->number))
		out->place = RECIPE_USDT;
	else if (!strncmp(*at, "return", 6) && !is_word((*at)[6]) && take(at, "return"))
		out->place = RECIPE_RETURN;
	else
		return take_register(at, out);
	return true;
}

static bool take_offset(const char **at, struct recipe_value *out)
{
	bool minus = take(at, "-");
	uint64_t number;

	if (!minus && !take(at, "+"))
		return true;
	skip_spaces(at);
	if (!isdigit((unsigned char)**at) || !take_number(at, &number) || number > INT32_MAX)
		return false;
	out->offset = minus ? -(int64_t)number : (int64_t)number;
	return true;
}

bool recipe_value_parse(const char *text, struct recipe_value *out)
{
	bool bracket;

	memset(out, 0, sizeof(*out));
	take_type(&text, out);
	out->memory = take(&text, "*");
	bracket = out->memory && take(&text, "(");
	if (!take_place(&text, out) || !take_offset(&text, out) || (bracket && !take(&text, ")")))
		return false;
	skip_spaces(&text);
	return !*text && (out->memory || !out->offset);
}

/* ---- Where it is ---- */

/* One argument of a note, "N@OP" or, as some have it, "OP" alone. */
static const char *find_usdt(const char *usdt, unsigned int number, size_t *size)
{
	size_t i = 0;

	for (;;) {
		usdt += strspn(usdt, " ");
		*size = strcspn(usdt, " ");
		if (!*size)
			return NULL;
		if (++i == number)
			return usdt;
		usdt += *size;
	}
}

/* "(%rbp)" with a displacement in front, "%rax", "$5". */
static const char *bind_operand(const char *text, const char *end, struct pb_source *out)
{
	const struct reg *reg;
	uint64_t number = 0;

	if (take(&text, "$")) {
		out->kind = PB_SOURCE_CONSTANT;
		if (!take_number(&text, &number) || text != end)
			return "is a constant that cannot be read in the probe's note: name a "
			       "%REGISTER that has it";
		out->offset = (int64_t)number;
		return NULL;
	}
	out->kind = PB_SOURCE_REGISTER;
	if (*text != '%') {
		out->kind = PB_SOURCE_MEMORY;
		if (*text != '(' && !take_number(&text, &number))
			return "has a form in the probe's note that is not known: name a %REGISTER "
			       "that has it";
		out->offset = (int64_t)number;
		if (!take(&text, "("))
			return "lies at an address that only the linker knows: name a %REGISTER "
			       "that has it";
		if (end[-1] != ')')
			return "has a form in the probe's note that is not known: name a %REGISTER "
			       "that has it";
		end--;
	}
	if (!take(&text, "%"))
		return "has a form in the probe's note that is not known: name a %REGISTER that "
		       "has it";
	reg = find_register(text, (size_t)(end - text));
	if (!reg)
		return "is in a register that is not a general one, or has an index: name another "
		       "usdt1 .. or a %REGISTER";
	out->at = reg->at;
	return NULL;
}

static const char *bind_usdt(const struct recipe_value *value, const char *usdt,
			     struct pb_source *out)
{
	struct pb_source note = { .width = 8 };
	const char *text, *at, *wrong;
	uint64_t width;
	size_t size;

	if (!usdt)
		return "is of a USDT probe, and this is none: give arg1 .., return or a %REGISTER";
	text = find_usdt(usdt, value->number, &size);
	if (!text)
		return "is more than the probe has: readelf -n lists its arguments";
	at = memchr(text, '@', size);
	if (at) {
		const char *number = text;

		if (!take_number(&number, &width) || number != at)
			return "has a size in the probe's note that is not known: name a %REGISTER "
			       "that has it";
		note.is_signed = (int64_t)width < 0;
		width = note.is_signed ? -width : width;
		if (width != 1 && width != 2 && width != 4 && width != 8)
			return "has a size in the probe's note that is not known: name a %REGISTER "
			       "that has it";
		note.width = (uint8_t)width;
		size -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	wrong = bind_operand(text, text + size, &note);
	if (wrong)
		return wrong;
	if (value->memory) {
		if (note.kind != PB_SOURCE_REGISTER)
			return "is in memory itself, and what it points to cannot be read: name a "
			       "%REGISTER that points there";
		note.kind = PB_SOURCE_MEMORY;
		note.offset = value->offset;
	} else if (value->typed && value->width > note.width) {
		return "is narrower in the probe's note than its type says: leave the type out";
	}
	if (value->memory || value->typed) {
		note.width = value->width;
		note.is_signed = value->is_signed;
	}
	*out = note;
	return NULL;
}

const char *recipe_value_bind(const struct recipe_value *value, const char *usdt,
			      struct pb_source *out)
{
	int at = recipe_value_register(value);

	*out = (struct pb_source){ .kind = PB_SOURCE_CONSTANT };
	if (value->place == RECIPE_NOWHERE)
		return NULL;
	if (value->place == RECIPE_USDT)
		return bind_usdt(value, usdt, out);
	if (usdt && value->place != RECIPE_REGISTER)
		return "is of a function, and this is a USDT probe: give usdt1 .. or a %REGISTER";
	*out = (struct pb_source){ .kind = value->memory ? PB_SOURCE_MEMORY : PB_SOURCE_REGISTER,
				   .width = value->width,
				   .is_signed = value->is_signed,
				   .at_entry = value->place == RECIPE_ARGUMENT,
				   .at = (uint32_t)at,
				   .offset = value->offset };
	return NULL;
}

int recipe_value_register(const struct recipe_value *value)
{
	switch (value->place) {
	case RECIPE_ARGUMENT:
		return arguments[value->number - 1];
	case RECIPE_RETURN:
		return RETURNED;
	case RECIPE_REGISTER:
		return (int)value->number;
	default:
		return -1;
	}
}

/* ---- What it means ---- */

/* What a value of this type can be. */
static bool is_possible(const struct pb_source *type, uint64_t value)
{
	unsigned int spare = 64 - 8 * type->width;

	if (!type->width || !spare)
		return true;
	if (type->is_signed)
		return (int64_t)(value << spare) >> spare == (int64_t)value;
	return value << spare >> spare == value;
}

/* It is said again, or as something else. */
static const char *meant(const struct pb_range *range, uint32_t outcome)
{
	static const char *const whole[] = {
		"is accepted already: a value has one meaning",
		"is rejected already: a value has one meaning",
		"is propagated already: a value has one meaning",
		"is invalid already: a value has one meaning",
		"is unknown already: a value has one meaning",
	};
	static const char *const partly[] = {
		"has values that are accepted already: each has one meaning",
		"has values that are rejected already: each has one meaning",
		"has values that are propagated already: each has one meaning",
		"has values that are invalid already: each has one meaning",
		"has values that are unknown already: each has one meaning",
	};

	return range->low == range->high ? whole[outcome] : partly[outcome];
}

static const char *add_range(const char **at, uint32_t outcome, struct pb_rule *rule)
{
	struct pb_range range = { .outcome = outcome };
	bool is_signed = rule->result.is_signed;

	if (!take_number(at, &range.low))
		return "is not a number, nor \"" OTHER "\": values are as 0, 3..5, -11, " OTHER;
	range.high = range.low;
	if (take(at, "..") && !take_number(at, &range.high))
		return "has no number behind \"..\": a range is as 3..5";
	if (is_signed ? (int64_t)range.low > (int64_t)range.high : range.low > range.high)
		return "has a range whose end is before its beginning: turn it round";
	if (!is_possible(&rule->result, range.low) || !is_possible(&rule->result, range.high))
		return "is nothing that the result can be: say its type, as s32";
	if (rule->ranges_count == PB_MAX_RANGES)
		return "is one value too many: a step has at most 8, or ranges of them";
	for (uint32_t i = 0; i < rule->ranges_count; i++) {
		const struct pb_range *other = &rule->ranges[i];
		uint64_t bias = is_signed ? 1ull << 63 : 0;

		if ((range.low ^ bias) <= (other->high ^ bias) &&
		    (range.high ^ bias) >= (other->low ^ bias))
			return meant(&range, other->outcome);
	}
	rule->ranges[rule->ranges_count++] = range;
	return NULL;
}

const char *recipe_value_ranges(const char *text, uint32_t outcome, struct pb_rule *rule,
				const char **at)
{
	const char *wrong, *item;

	if (!at)
		at = &item;
	do {
		skip_spaces(&text);
		*at = text;
		if (!strncmp(text, OTHER, strlen(OTHER)) && !is_word(text[strlen(OTHER)])) {
			text += strlen(OTHER);
			rule->otherwise = outcome;
			continue;
		}
		wrong = add_range(&text, outcome, rule);
		if (wrong)
			return wrong;
	} while (take(&text, ","));
	skip_spaces(&text);
	return *text ? "has something behind its values that is none: a comma is between two"
		     : NULL;
}
