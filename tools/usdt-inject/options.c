/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
/* In two, as a compiler need not take more than 4095 bytes at once. */
static const char *const help[] = {
"usdt-inject - add USDT probes to a finished program or library\n"
"\n"
"  usdt-inject FILE -p PROVIDER:NAME=SITE... -o OUT | --replace | --in-place | --dry-run\n"
"  usdt-inject FILE --list\n"
"  usdt-inject FILE --remove -o OUT | --replace | --in-place | --dry-run\n"
"\n"
"Adds the notes by which bpftrace, perf, gdb and others find probes. No code and no data of the\n"
"program changes: a probe costs nothing until a tracer puts a breakpoint on the instruction that\n"
"is there. 64-bit x86-64 and aarch64 files with section headers, stripped or not.\n"
"\n"
"What\n"
"  -p, --probe PROVIDER:NAME=SITE[ ARGUMENTS]   may be given again; SITE is one of\n"
"        work@return        each return instruction of function work\n"
"        work@entry         its first instruction\n"
"        work+0x1f          the instruction at that offset in it\n"
"        0x1139             the one at that address, as objdump -d prints it\n"
"        file:0x1139        the one at that offset in the file\n"
"      Functions are named as in the symbol table, or as in C++ and Rust source, with or without\n"
"      parameters; in a stripped file by their address: 0x1139@return.\n"
"      ARGUMENTS say what a tracer shows, in the form of sdt.h: -4@%eax (the int that is\n"
"      returned) 8@%rdi 8@16(%rsp) 8@$7; on aarch64 -4@x0 8@[sp, 16] 8@7.\n"
"  --list                   the probes that the file has, ours or not\n"
"  --remove                 take the injected ones out: the file is as before, byte for byte\n"
"\n"
"Where to\n"
"  -o, --output OUT         another file\n"
"  --replace                a new file takes the place of FILE at once, with its owner, mode and\n"
"                           attributes; processes that run the old one keep it until they end\n"
"  --in-place               FILE itself is written to, so that its inode and hard links stay; not\n"
"                           while anybody runs it or has it open\n"
"  --dry-run                write nothing; say what would be done\n"
"  --json                   one object on stdout, of this run and of --list and --remove as well;\n"
"                           stderr says only what went wrong. Numbers are decimal; its keys:\n"
"        schema             1: goes up when one of these changes its meaning\n"
"        file action machine   action is inject, list or remove; machine x86-64, aarch64 or null\n"
"        sites              of inject: provider name address offset where cost instruction\n"
"                           arguments; cost is emulated or stepped\n"
"        probes             of list: provider name address semaphore arguments\n"
"        remarks            what the sites do not see, who keeps the old file: sentences\n"
"        written size       the file that was written, null if none; how many bytes it has or would\n"
"        error              null, or why nothing was written\n"
"  -h, --help  --version\n"
"\n",
"Examples\n"
"  usdt-inject ./server -p 'app:done=handle_request@return -4@%eax' -o ./server.probed\n"
"  bpftrace -e 'usdt:./server.probed:app:done { @[arg0] = count(); }'\n"
"  usdt-inject libq.so -p 'q:full=queue::push(int)@return' --replace\n"
"  usdt-inject libq.so --remove --replace\n"
"\n"
"Good to know\n"
"  A function that ends in a jump to another one (a tail call), by an exception or by longjmp\n"
"  passes none of its returns there. The first is said; the others can't be known.\n"
"  Its cold part (work.cold) belongs to it. Copies (work.constprop.0, .isra) and what is called of\n"
"  it where its beginning is inlined (work.part.0) are functions of their own: said, not covered.\n"
"  Without symbols, a cold part that does not jump back is known only as a jump to an address: that\n"
"  is said, and it can be given as well.\n"
"  Most instructions are single-stepped under a probe; nop, push, call and jumps are emulated,\n"
"  about 1 us a hit: 3 times cheaper on bare metal, 10 to 20 times in most virtual machines.\n"
"  --dry-run says which.\n"
"  The build-id stays. Checksums of the whole file (rpm -V, IMA, signatures) do not fit any more.\n"
"  Strip before, not after: a stripped one keeps its probes, but --remove refuses it.\n"
"  perf finds probes after perf buildid-cache --add FILE, in files with a build-id of 20 bytes.\n"
"  pushback takes its own probes only from pushback.h: they need a nop of their own and a\n"
"  semaphore. Injected ones go under any other provider, and a recipe says what they mean.\n"
"\n"
"Exit status: 0 done; 1 refused or failed, nothing was written; 2 wrong usage.\n",
};
/* clang-format on */

enum long_option {
	OPTION_LIST = 256,
	OPTION_REMOVE,
	OPTION_REPLACE,
	OPTION_IN_PLACE,
	OPTION_DRY,
	OPTION_JSON
};

static const struct option table[] = {
	{ "probe", required_argument, NULL, 'p' },
	{ "output", required_argument, NULL, 'o' },
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "remove", no_argument, NULL, OPTION_REMOVE },
	{ "replace", no_argument, NULL, OPTION_REPLACE },
	{ "in-place", no_argument, NULL, OPTION_IN_PLACE },
	{ "dry-run", no_argument, NULL, OPTION_DRY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static int add_spec(struct options *options, const char *text, struct why *why)
{
	void *specs =
		reallocarray(options->specs, options->specs_count + 1, sizeof(*options->specs));
	int err;

	if (!specs)
		return refuse_memory(why);
	options->specs = specs;
	err = spec_parse(&options->specs[options->specs_count], text, why);
	options->specs_count += !err;
	return err;
}

static int set_action(struct options *options, enum action action, struct why *why)
{
	if (options->action != ACTION_INJECT && options->action != action)
		return refuse(why, "--list and --remove do not go together");
	options->action = action;
	return 0;
}

static int set_delivery(struct options *options, enum delivery delivery, const char *output,
			bool *given, struct why *why)
{
	if (*given)
		return refuse(why, "only one of -o, --replace, --in-place and --dry-run");
	*given = true;
	options->delivery = delivery;
	options->output = output;
	return 0;
}

static int set(struct options *options, int option, bool *delivered, char **argv, struct why *why)
{
	switch (option) {
	case 'p':
		return add_spec(options, optarg, why);
	case 'o':
		return set_delivery(options, DELIVER_FILE, optarg, delivered, why);
	case OPTION_REPLACE:
		return set_delivery(options, DELIVER_REPLACE, NULL, delivered, why);
	case OPTION_IN_PLACE:
		return set_delivery(options, DELIVER_IN_PLACE, NULL, delivered, why);
	case OPTION_DRY:
		return set_delivery(options, DELIVER_NOWHERE, NULL, delivered, why);
	case OPTION_LIST:
		return set_action(options, ACTION_LIST, why);
	case OPTION_REMOVE:
		return set_action(options, ACTION_REMOVE, why);
	case OPTION_JSON:
		options->json = true;
		return 0;
	case ':':
		return refuse(why, "%s needs a value: see --help", argv[optind - 1]);
	default:
		return refuse(why, "'%s' is not known: see --help", argv[optind - 1]);
	}
}

static int check(const struct options *options, int operands, bool delivered, struct why *why)
{
	if (operands != 1)
		return refuse(why, "%s: see --help",
			      operands ? "one FILE at a time" : "give the FILE");
	if (options->action == ACTION_LIST)
		return delivered || options->specs_count
			       ? refuse(why, "--list writes nothing and takes no other option")
			       : 0;
	if (options->action == ACTION_INJECT && !options->specs_count)
		return refuse(why, "give a probe: -p PROVIDER:NAME=SITE, or --list or --remove");
	if (options->action == ACTION_REMOVE && options->specs_count)
		return refuse(why, "--remove takes all injected probes out: without -p");
	if (!delivered)
		return refuse(why, "say where to: -o OUT, --replace, --in-place or --dry-run");
	return 0;
}

static void print(bool is_help)
{
	for (size_t i = 0; is_help && i < sizeof(help) / sizeof(*help); i++)
		fputs(help[i], stdout);
	if (!is_help)
		puts("usdt-inject " PUSHBACK_TOOL_VERSION);
}

int options_parse(struct options *options, int argc, char **argv, struct why *why)
{
	bool delivered = false;
	int option, err = 0;

	memset(options, 0, sizeof(*options));
	opterr = 0;
	while (!err && (option = getopt_long(argc, argv, ":p:o:hV", table, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			print(option == 'h');
			return 1;
		}
		err = set(options, option, &delivered, argv, why);
	}
	err = err ? err : check(options, argc - optind, delivered, why);
	if (!err)
		options->file = argv[optind];
	return err;
}

void options_free(struct options *options)
{
	for (size_t i = 0; i < options->specs_count; i++)
		spec_free(&options->specs[i]);
	free(options->specs);
	memset(options, 0, sizeof(*options));
}
