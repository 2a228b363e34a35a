/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdio.h>

#include "note.h"

void report_plan(const struct plan *plan)
{
	char probe[140];

	printf("%-24s %-12s %-12s %-28s %-8s %-24s %s\n", "PROBE", "ADDRESS", "OFFSET", "WHERE",
	       "COST", "INSTRUCTION", "ARGUMENTS");
	for (size_t i = 0; i < plan->count; i++) {
		const struct site *site = &plan->items[i];

		snprintf(probe, sizeof(probe), "%s:%s", site->spec->provider, site->spec->name);
		printf("%-24s %#-12llx %#-12llx %-28s %-8s %-24s %s\n", probe,
		       (unsigned long long)site->address, (unsigned long long)site->offset,
		       site->where, site->is_emulated ? "emulated" : "stepped", site->text,
		       *site->spec->arguments ? site->spec->arguments : "-");
	}
}

static int print_note(void *ctx, const struct note *note)
{
	char probe[140];

	(void)ctx;
	snprintf(probe, sizeof(probe), "%.64s:%.64s", note->provider, note->name);
	printf("%-24s %#-12llx %#-12llx %s\n", probe, (unsigned long long)note->site,
	       (unsigned long long)note->semaphore, *note->arguments ? note->arguments : "-");
	return 0;
}

int report_notes(const struct image *image)
{
	printf("%-24s %-12s %-12s %s\n", "PROBE", "ADDRESS", "SEMAPHORE", "ARGUMENTS");
	return note_each_in(image, image_section(image, NOTE_SECTION), print_note, NULL);
}
