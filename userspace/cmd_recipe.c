/* SPDX-License-Identifier: MIT */
/* cmd_recipe.c - `pushback recipe`: for consumers without our probes */
#include <stdbool.h>
#include <string.h>

#include "cmd.h"
#include "cmd_recipe.h"
#include "msg.h"

/* clang-format off */
static const struct option options[] = {
	{ .name = "help", .kind = OPTION_FLAG, .help = "this text; also of check and suggest" },
	{ .name = NULL },
};
/* clang-format on */

static const struct verb *const within[] = { &verb_recipe_check, &verb_recipe_suggest, NULL };

static int run(int argc, char **argv)
{
	bool help = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));

	if (help) {
		opts_help(&verb_recipe, stdout);
		return cmd_end(EXIT_DONE);
	}
	if (argc > 1 && !strcmp(argv[1], "check"))
		return verb_recipe_check.run(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "suggest"))
		return verb_recipe_suggest.run(argc - 1, argv + 1);
	msg_error("recipe is one of 'recipe check FILE' and 'recipe suggest BINARY': see pushback "
		  "recipe --help");
	return EXIT_USAGE;
}

const struct verb verb_recipe = {
	.name = "recipe",
	.summary = "watch consumers without our probes: draft and check a recipe",
	.text = "A recipe says where in somebody's executable or library submit and poll are,\n"
		"where the instance is, and what a result means; then run, top and the others\n"
		"watch it with --recipe FILE, and nothing is rebuilt or restarted.\n"
		"\n"
		"  pushback recipe suggest BINARY    draft one, with TODO where a value is yours\n"
		"  pushback recipe check FILE        what it finds, its cost, and what hits it\n"
		"  pushback top --recipe FILE --path BINARY\n"
		"\n"
		"  [target]\n"
		"  path = /usr/bin/ingest       what maps calls it; * and ? as in a shell\n"
		"  build-id = 3f2a...           optional: no other build is probed\n"
		"\n"
		"  [step parse]                 without a name the class or function has it\n"
		"  submit = symbol parse_submit or glob PATTERN, function OFFSET, site OFFSET,\n"
		"                               usdt PROVIDER:NAME; may be given again\n"
		"  poll = symbol parse_poll     optional: submits meanwhile are handed on by it\n"
		"  end = symbol parse_free      optional: the instance is destroyed\n"
		"  instance = arg1              or none: one per process\n"
		"  result = s32 return          [u8..s64] [*]PLACE[+N]; PLACE is arg1..arg6,\n"
		"                               return, usdt1..usdt12 or %REGISTER;\n"
		"                               arguments are as the function is entered\n"
		"                               or dwarf: an enum, by debug information\n"
		"  accepted = 0                 values and ranges: -11, 1..5, other\n"
		"  rejected = -11\n"
		"  invalid = other              optional, as propagated\n"
		"  unknown = 7                  optional: it cannot return that; told as lost\n"
		"  message = arg3               instead of values: refused is what is handed\n"
		"                               back, as in a Rust Err\n"
		"  ready = u8 return            optional: what poll returns is not 0 when ready\n"
		"  refusals = own               or auto: one just after the next step's is handed\n"
		"                               on\n"
		"  optional = no                or yes: not every file has it\n"
		"  returns = ret                or uretprobe, for functions that end in another;\n"
		"                               or uretprobe, nothing-throws: an exception or a\n"
		"                               panic through one would end the process\n",
	.options = options,
	.verbs = within,
	.run = run,
};
