/* SPDX-License-Identifier: MIT */
/* Recipes as text: what they come to, and each way to be wrong, with its line */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "recipe.h"

#define TARGET "[target]\npath = /usr/bin/ingest\n"
#define VALUES "instance = arg1\nresult = s32 return\naccepted = 0\nrejected = -11\n"
#define STEP   "[step a]\nsubmit = symbol a_submit\n" VALUES
/* Lines: 1-2 the target, 3-8 the step. */
#define WHOLE TARGET STEP

static char path[] = "/tmp/recipe-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_text(const char *text, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static int read_text(struct recipes *r, const char *text, char *why)
{
	write_text(text, strlen(text));
	*why = '\0';
	return recipes_read(r, path, why, 512);
}

static struct recipes *good(const char *text)
{
	struct recipes *r = recipes_new();
	char why[512];

	if (read_text(r, text, why))
		fail_msg("%s: for\n%s", why, text);
	return r;
}

static void a_recipe(void **state)
{
	struct recipes *r = good("# of ours\n" TARGET "build-id = 00aBfF01\n" STEP
				 "poll = glob A::p*\npoll = function 0x10\nend = usdt a:b\n"
				 "invalid = other\nready = u8 return\nrefusals = own\n"
				 "returns = uretprobe ; not ret\n"
				 "[step]\nsubmit = site 4096\ninstance = none\nresult = return\n"
				 "message = arg3\n");
	const struct recipe_step *s = r->steps;

	(void)state;
	assert_int_equal(r->targets_count, 1);
	assert_string_equal(r->targets[0].path, "/usr/bin/ingest");
	assert_int_equal(r->targets[0].build_id_size, 4);
	assert_memory_equal(r->targets[0].build_id, "\x00\xab\xff\x01", 4);
	assert_int_equal(r->targets[0].line, 2);
	assert_int_equal(r->steps_count, 2);
	assert_string_equal(s->name, "a");
	assert_int_equal(s->wheres_count, 4);
	assert_int_equal(s->wheres[0].kind, RECIPE_SYMBOL);
	assert_int_equal(s->wheres[0].rule, PB_RULE_SUBMIT);
	assert_string_equal(s->wheres[0].text, "a_submit");
	assert_int_equal(s->wheres[0].line, 6);
	assert_int_equal(s->wheres[1].kind, RECIPE_GLOB);
	assert_int_equal(s->wheres[1].rule, PB_RULE_POLL);
	assert_string_equal(s->wheres[1].text, "A::p*");
	assert_int_equal(s->wheres[2].kind, RECIPE_FUNCTION);
	assert_int_equal(s->wheres[2].offset, 16);
	assert_int_equal(s->wheres[3].kind, RECIPE_PROBE);
	assert_int_equal(s->wheres[3].rule, PB_RULE_END);
	assert_string_equal(s->wheres[3].text, "a:b");
	assert_int_equal(s->values.ranges_count, 2);
	assert_int_equal(s->values.otherwise, PUSHBACK_INVALID);
	assert_true(s->own_refusals);
	assert_true(s->uretprobe && !s->nothing_throws);
	assert_int_equal(s->ready.place, RECIPE_RETURN);
	assert_null(s[1].name);
	assert_int_equal(s[1].instance.place, RECIPE_NOWHERE);
	assert_int_equal(s[1].message.number, 3);
	assert_int_equal(s[1].wheres[0].kind, RECIPE_SITE);
	assert_int_equal(s[1].wheres[0].offset, 4096);
	assert_int_equal(s[1].values.otherwise, PUSHBACK_INVALID);
	recipes_free(r);
}

static void a_word_for_uretprobes(void **state)
{
	static const char *const spellings[] = { "uretprobe, nothing-throws",
						 "uretprobe ,nothing-throws",
						 "uretprobe,nothing-throws ; really" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char text[512];
		struct recipes *r;

		snprintf(text, sizeof(text), WHOLE "returns = %s\n", spellings[i]);
		r = good(text);
		assert_true(r->steps[0].uretprobe && r->steps[0].nothing_throws);
		recipes_free(r);
	}
}

/* Windows and editors; indented, without a newline at the end. */
static void spellings(void **state)
{
	static const char *const texts[] = {
		"\xef\xbb\xbf" WHOLE,
		"\xef\xbb\xbf# a comment\n" WHOLE,
		"[target]\r\npath = /usr/bin/ingest\r\n\r\n[step a]\r\nsubmit = symbol a_submit\r\n"
		"instance = arg1\r\nresult = s32 return\r\naccepted = 0\r\nrejected = -11\r\n",
		"  [target]\n\tpath = /usr/bin/ingest\n  [step a] ; of a\n    submit = symbol "
		"a_submit\n"
		"    instance = arg1\n    result = s32 return\n    accepted = 0\n    rejected = "
		"-11",
		"[target] # it\npath: /usr/bin/ingest\n; no\n\n[step   a]\nsubmit=symbol \t "
		"a_submit\n"
		"instance=arg1\nresult=s32 return\naccepted=0\nrejected=-11",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct recipes *r = good(texts[i]);

		assert_int_equal(r->targets_count, 1);
		assert_string_equal(r->targets[0].path, "/usr/bin/ingest");
		assert_int_equal(r->steps_count, 1);
		assert_string_equal(r->steps[0].name, "a");
		assert_string_equal(r->steps[0].wheres[0].text, "a_submit");
		assert_int_equal(r->steps[0].values.ranges[1].low, (uint64_t)-11);
		recipes_free(r);
	}
}

#define NAME_60 "a23456789b23456789c23456789d23456789e23456789f234567890xxxxx"

static void names_are_whole(void **state)
{
	struct recipes *r = good(TARGET "[step " NAME_60 "]\nsubmit = symbol s\n" VALUES);

	(void)state;
	assert_string_equal(r->steps[0].name, NAME_60);
	recipes_free(r);
}

struct mistake {
	const char *text;
	int line;
	const char *why;
};

static void are_refused(const struct mistake *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct recipes *r = recipes_new();
		char why[512], begin[64];
		int err = read_text(r, table[i].text, why);

		snprintf(begin, sizeof(begin), "%s:%d: ", path, table[i].line);
		if (err != -EINVAL || strncmp(why, begin, strlen(begin)) != 0 ||
		    !strstr(why, table[i].why) || strchr(why, '\n'))
			fail_msg("%d, \"%s\" instead of \"%s...%s\" for\n%s", err, why, begin,
				 table[i].why, table[i].text);
		recipes_free(r);
	}
}

/* Each replaces or follows what is right otherwise. */
static void wrong(void **state)
{
	static const struct mistake table[] = {
		{ "", 1, "there is no [target]" },
		{ "# nothing\n\n", 2, "there is no [target]" },
		{ TARGET, 1, "the target has no [step]" },
		{ TARGET TARGET STEP, 1, "the target has no [step]" },
		{ WHOLE TARGET, 9, "the target has no [step]" },
		{ "[target]\n[step a]\n", 1, "the section is empty" },
		{ WHOLE "[step b]\n", 9, "the section is empty" },
		{ WHOLE "[step b]\n# only this\n[step c]\n", 9, "the section is empty" },
		{ "[target]\nbuild-id = 00000000\n" STEP, 1, "the target has no path" },
		{ "path = /a\n" WHOLE, 1, "path before the first [target]" },
		{ "\xef\xbb\xbfpath = /a\n" WHOLE, 1, "path before the first [target]" },
		{ STEP WHOLE, 1, "a step before the [target]" },
		{ "[traget]\npath = /a\n", 1, "[traget]: it is [target] or [step NAME]" },
		{ "[target a]\npath = /a\n", 1, "[target a]: it is" },
		{ WHOLE "[stepa]\nsubmit = symbol a\n", 9, "[stepa]: it is" },
		{ "[target\npath = /a\n", 1, "the section has no ]" },
		{ "[target] path = /a\n", 1, "something behind the section's ]" },
		{ WHOLE "what is this\n", 9, "not KEY = VALUE" },
		{ WHOLE "poll =\n", 9, "poll has no value" },
		{ WHOLE "poll = ; nothing\n", 9, "poll has no value" },
		{ WHOLE "pol = symbol a\n", 9, "pol: a step has submit, poll" },
		{ WHOLE "path = /a\n", 9, "path: a step has submit, poll" },
		{ "[target]\npth = /a\n", 2, "pth: a target has path and build-id" },
		{ TARGET "path = /b\n" STEP, 3, "path is given twice" },
		{ TARGET "build-id = 00000000\nbuild-id = 01000000\n" STEP, 4,
		  "build-id is given twice" },
		{ WHOLE "instance = arg2\n", 9, "instance is given twice" },
		{ WHOLE "result = arg2\n", 9, "result is given twice" },
		{ "[target]\npath = ingest\n", 2, "ingest: a path is as processes map it, from" },
		{ "[target]\npath = /opt/\n", 2, "/opt/ is a directory" },
		{ "[target]\npath = /opt/?/./ingest\n", 2, "has no . and .. in it" },
		{ "[target]\npath = /a*/.b/..c\n", 1, "the target has no [step]" },
		{ "[target]\npath = /a/./../b\n", 1, "the target has no [step]" },
		{ TARGET "build-id = 0\n", 3, "build-id is 8 to 40" },
		{ TARGET "build-id = 0g\n", 3, "build-id is 8 to 40" },
		{ TARGET "build-id = 00000000000000000000000000000000000000000000\n", 3,
		  "8 to 40" },
		{ TARGET "[step a]\n" VALUES, 3, "the step has no submit" },
		{ TARGET "[step a]\n" VALUES "[step b]\nsubmit = symbol b\n", 3,
		  "the step has no submit" },
		{ TARGET
		  "[step a]\nsubmit = symbol a\nresult = return\naccepted = 0\nrejected = 1\n",
		  3, "the step has no instance" },
		{ TARGET "[step a]\nsubmit = symbol a\ninstance = arg1\n", 3,
		  "the step has no result" },
		{ TARGET "[step a]\nsubmit = symbol a\ninstance = arg1\nresult = return\n", 3,
		  "not both accepted and rejected" },
		{ TARGET "[step a]\nsubmit = symbol a\ninstance = arg1\nresult = return\n"
			 "accepted = 0\n",
		  3, "not both accepted and rejected" },
		{ WHOLE "message = arg3\n", 3, "with message the result has no values" },
		{ TARGET "[step a]\naccepted = 0\n", 4, "result comes before" },
		{ WHOLE "submit = a\n", 9, "a: a place is symbol NAME" },
		{ WHOLE "submit = symbol\n", 9, "symbol: a place is symbol NAME" },
		{ WHOLE "submit = symbols a\n", 9, "symbols a: a place is" },
		{ WHOLE "submit = usdt a\n", 9, "usdt a: it is PROVIDER:NAME" },
		{ WHOLE "submit = site main\n", 9, "main is not an offset" },
		{ WHOLE "submit = function -1\n", 9, "-1 is not an offset" },
		{ WHOLE "submit = site 0x10 20\n", 9, "0x10 20 is not an offset" },
		{ WHOLE "submit = site 0x10000000000000000\n", 9, "is not an offset" },
		{ TARGET "[step a]\ninstance = arg0\n", 4, "arg0: a value is" },
		{ TARGET "[step a]\ninstance = arg7\n", 4, "arg7: a value is" },
		{ TARGET "[step a]\nresult = i32 return\n", 4, "i32 return: a value is" },
		{ TARGET "[step a]\ninstance = TODO arg1\n", 4,
		  "instance is still to be filled in: TODO" },
		{ WHOLE "invalid = x\n", 9, "x is not a number" },
		{ WHOLE "invalid = 5..\n", 9, "has no number behind" },
		{ WHOLE "invalid = 5..3\n", 9, "a range whose end is before its beginning" },
		{ WHOLE "invalid = 1,\n", 9, ": 1, is not a number" },
		{ WHOLE "invalid = 1 2\n", 9, "something behind its values" },
		{ WHOLE "invalid = 3, 0, 4\n", 9, ": 0 is accepted already: a value has one" },
		{ WHOLE "invalid = -20..-1\n", 9, "-1 has values that are rejected already" },
		{ WHOLE "accepted = other\ninvalid = other\n", 10, "so has a line before" },
		{ WHOLE "invalid = 0x100000000\n", 9, "nothing that the result can be" },
		{ WHOLE "invalid = 1,2,3,4,5,6,7\n", 9, "one value too many" },
		{ WHOLE "refusals = mine\n", 9, "mine: it is auto or own" },
	};

	(void)state;
	are_refused(table, sizeof(table) / sizeof(*table));
}

static void wrong_returns(void **state)
{
	static const struct mistake table[] = {
		{ WHOLE "returns = own\n", 9,
		  "own: it is ret, uretprobe, or uretprobe, nothing-throws" },
		{ WHOLE "returns = uretprobe nothing-throws\n", 9, "it is ret, uretprobe" },
		{ WHOLE "returns = uretprobe, nothing\n", 9, "it is ret, uretprobe" },
		{ WHOLE "returns = uretprobe,\n", 9, "it is ret, uretprobe" },
		{ WHOLE "returns = ret, nothing-throws\n", 9, "it is ret, uretprobe" },
	};

	(void)state;
	are_refused(table, sizeof(table) / sizeof(*table));
}

static void long_lines(void **state)
{
	char text[1024], why[512];
	struct recipes *r = recipes_new();
	int size;

	(void)state;
	/* 199 bytes fit, with the newline. */
	size = snprintf(text, sizeof(text), "%s#%0197d\n%s", TARGET, 0, STEP);
	assert_true(size > 0);
	assert_int_equal(read_text(r, text, why), 0);
	recipes_free(r);

	r = recipes_new();
	snprintf(text, sizeof(text), "%s#%0198d\n%s", TARGET, 0, STEP);
	assert_int_equal(read_text(r, text, why), -EINVAL);
	assert_non_null(strstr(why, ":3: the line is too long"));
	recipes_free(r);

	r = recipes_new();
	snprintf(text, sizeof(text), "%s[step %0128d]\n", TARGET, 0);
	assert_int_equal(read_text(r, text, why), -EINVAL);
	assert_non_null(strstr(why, ":3: the section is empty"));
	recipes_free(r);

	r = recipes_new();
	snprintf(text, sizeof(text), "%s[step %0128d]\nsubmit = symbol a\n", TARGET, 0);
	assert_int_equal(read_text(r, text, why), -EINVAL);
	assert_non_null(strstr(why, ":3: a step's name has at most 127 bytes"));
	recipes_free(r);
}

static char *many(const char *head, const char *each, unsigned int count)
{
	size_t room = strlen(head) + count * strlen(each) + 1;
	char *text = calloc(1, room);

	assert_non_null(text);
	strcpy(text, head);
	for (unsigned int i = 0; i < count; i++)
		strcat(text, each);
	return text;
}

static void bounds(void **state)
{
	static const struct {
		const char *head, *each;
		unsigned int most;
		const char *why;
	} table[] = {
		{ "", WHOLE, PB_MAX_KINDS, "more than 64" },
		{ TARGET, STEP, PB_MAX_KINDS, "more than 64 steps" },
		{ WHOLE, "submit = symbol a\n", RECIPE_WHERES_MAX - 1, "more than 32 places" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char *text = many(table[i].head, table[i].each, table[i].most), why[512];
		struct recipes *r = recipes_new();

		assert_int_equal(read_text(r, text, why), 0);
		recipes_free(r);
		free(text);
		text = many(table[i].head, table[i].each, table[i].most + 1);
		r = recipes_new();
		assert_int_equal(read_text(r, text, why), -EINVAL);
		assert_non_null(strstr(why, table[i].why));
		recipes_free(r);
		free(text);
	}
}

/* What follows is added to what is there. */
static void two_files(void **state)
{
	struct recipes *r = good(WHOLE);
	char why[512];

	(void)state;
	assert_int_equal(read_text(r, STEP, why), -EINVAL);
	assert_non_null(strstr(why, ":1: a step before the [target]"));
	assert_int_equal(read_text(r,
				   "[target]\npath = *"
				   "/b\n" STEP,
				   why),
			 0);
	assert_int_equal(r->targets_count, 2);
	assert_int_equal(r->steps_count, 2);
	assert_int_equal(r->steps[1].target, 1);
	recipes_free(r);
}

static void no_file(void **state)
{
	struct recipes *r = recipes_new();
	char why[512];

	(void)state;
	assert_int_equal(recipes_read(r, "/nonexistent/r.ini", why, sizeof(why)), -ENOENT);
	assert_string_equal(why, "cannot read the recipe /nonexistent/r.ini: No such file or "
				 "directory");
	assert_int_equal(recipes_read(r, "/tmp", why, sizeof(why)), -EISDIR);
	assert_string_equal(why, "cannot read the recipe /tmp: Is a directory");
	recipes_free(r);
}

static void binary(void **state)
{
	struct recipes *r = recipes_new();
	char why[512];

	(void)state;
	write_text("\0\0\0\n[target]\n", 13);
	assert_int_equal(recipes_read(r, path, why, sizeof(why)), -EINVAL);
	write_text(WHOLE "\0poll = x\n", sizeof(WHOLE) + 9);
	assert_int_equal(recipes_read(r, path, why, sizeof(why)), -EINVAL);
	recipes_free(r);
}

static void targets(void **state)
{
	struct recipe_target t = { .path = "*/in?est", .build_id = { 1, 2 }, .build_id_size = 2 };
	struct elfnote note = { .build_id_size = 2, .build_id = { 1, 2 } };

	(void)state;
	assert_true(recipe_target_names(&t, "/usr/bin/ingest"));
	assert_true(recipe_target_names(&t, "/ingest"));
	assert_false(recipe_target_names(&t, "/usr/bin/ingest2"));
	assert_false(recipe_target_names(&t, "ingest"));
	assert_true(recipe_target_fits(&t, &note));
	note.build_id[1] = 3;
	assert_false(recipe_target_fits(&t, &note));
	/* Its beginning will do. */
	note = (struct elfnote){ .build_id_size = 3, .build_id = { 1, 2, 3 } };
	assert_true(recipe_target_fits(&t, &note));
	note.build_id_size = 1;
	assert_false(recipe_target_fits(&t, &note));
	note.build_id_size = 0;
	assert_false(recipe_target_fits(&t, &note));
	t.build_id_size = 0;
	assert_true(recipe_target_fits(&t, &note));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recipe),   cmocka_unit_test(a_word_for_uretprobes),
		cmocka_unit_test(spellings),  cmocka_unit_test(names_are_whole),
		cmocka_unit_test(wrong),      cmocka_unit_test(wrong_returns),
		cmocka_unit_test(long_lines), cmocka_unit_test(bounds),
		cmocka_unit_test(two_files),  cmocka_unit_test(no_file),
		cmocka_unit_test(binary),     cmocka_unit_test(targets),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
