/* SPDX-License-Identifier: MIT */
/*
 * host - a consumer with a step of its own that loads a library with steps while it runs
 *
 *	host LIBRARY FUNCTION ARGUMENT...
 *
 * Prints "host", waits for a line, opens the library, and calls its function as a main().
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <pushback.h>

static struct pushback_step step = PUSHBACK_STEP_INIT("host");

typedef int library_main(int argc, char **argv);

int main(int argc, char **argv)
{
	library_main *run;
	void *library, *symbol;
	char line[64];

	if (argc < 3)
		return 2;
	pushback_submit_return(&step, PUSHBACK_ACCEPTED);
	printf("host\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	library = dlopen(argv[1], RTLD_NOW);
	symbol = library ? dlsym(library, argv[2]) : NULL;
	if (!symbol) {
		fprintf(stderr, "host: %s\n", dlerror());
		return 1;
	}
	memcpy(&run, &symbol, sizeof(run)); /* ISO C has no cast for it */
	pushback_submit_return(&step, PUSHBACK_ACCEPTED);
	return run(argc - 2, argv + 2);
}
