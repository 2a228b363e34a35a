/* SPDX-License-Identifier: MIT */
/* cmd_recipe_suggest.c - `pushback recipe suggest`: a draft of a recipe for an executable or library */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_recipe.h"
#include "msg.h"
#include "recipe_suggest.h"
#include "target.h"

#define WHY_SIZE 4608 /* a path, and what is wrong with it */

struct settings {
	struct option_list files;
	bool help;
};

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option operands = {
	.value = "BINARY", .kind = OPTION_LIST, .offset = AT(files),
	.help = "an executable or a shared library",
};

static const struct option options[] = {
	{ .name = "help", .kind = OPTION_FLAG, .offset = AT(help), .help = "this text" },
	{ .name = NULL },
};
/* clang-format on */

/* Of what cannot be told from the file; the draft says which values are missing. */
static void say_missing(const struct recipe_draft *draft)
{
	if (draft->probes)
		msg_error("no function is called submit, but it has USDT probes: where one of them "
			  "tells of submits, name that in the draft");
	else if (draft->copies)
		msg_error("what is called submit has other arguments, for the compiler has made "
			  "copies of it (.isra, .constprop, .part): build it with -fno-ipa-sra "
			  "-fno-ipa-cp -fno-partial-inlining, or name their offsets in the draft");
	else if (draft->functions)
		msg_error("no function is called submit: name those that are in the draft, by "
			  "symbol or by offset");
	else
		msg_error("it has no names of functions, it is stripped: install its debug symbols "
			  "and try the file that has them, or name functions by their offsets in "
			  "the draft (objdump -d; submit = function OFFSET)");
}

/* 0; 1: the draft has no step; -errno. */
static int suggest(int fd, const char *path, char *why)
{
	/* As maps has it. */
	char *real = realpath(path, NULL);
	struct recipe_draft draft;
	struct elfnote note;
	int err = elfnote_read(fd, &note);

	if (!err)
		err = recipe_suggest(fd, real ? real : path, &note, stdout, &draft);
	free(real);
	if (err)
		target_explain(path, err, &note, why, WHY_SIZE);
	else if (!draft.steps && !draft.ours)
		say_missing(&draft);
	return err ? err : !draft.steps && !draft.ours;
}

static int start(const void *settings)
{
	const struct settings *s = settings;
	const char *path = s->files.items[0];
	char why[WHY_SIZE], line[WHY_SIZE];
	struct file_id id;
	int fd = target_open(path, &id, why, sizeof(why)), err = fd;

	if (fd >= 0) {
		err = suggest(fd, path, why);
		close(fd);
	}
	if (err == -ENOMEM)
		return err;
	if (err < 0)
		msg_error("%s", msg_safe(line, sizeof(line), why));
	return err ? EXIT_FAILED : EXIT_DONE;
}

static int check(const void *settings, char *why, size_t why_size)
{
	const struct settings *s = settings;

	if (s->files.count == 1)
		return 0;
	snprintf(why, why_size, "one file at a time: pushback recipe suggest BINARY");
	return -EINVAL;
}

static int run(int argc, char **argv)
{
	struct settings s = { .help = false };

	return cmd_start(&verb_recipe_suggest, argc, argv, &s, check, start);
}

const struct verb verb_recipe_suggest = {
	.name = "recipe suggest",
	.summary = "draft a recipe for an executable or a library",
	.text = "Writes a recipe to standard output: build-id, and a step for each function "
		"called\n"
		"submit by its name (C: parse_submit; C++ and Rust: Parse::submit), with\n"
		"its poll, and the USDT probes of the file as comments. What the language's\n"
		"calling convention tells is filled in. What only the program's author knows\n"
		"is not guessed: it says TODO, and recipe check tells what is still missing.\n"
		"Exit status: 0; 1 it suggests no step, as of a stripped file: the draft is then\n"
		"a form to fill in; or the file cannot be read.\n"
		"\n"
		"  pushback recipe suggest /usr/bin/ingest >ingest.ini\n"
		"  pushback recipe check ingest.ini\n",
	.operands = &operands,
	.options = options,
	.run = run,
};
