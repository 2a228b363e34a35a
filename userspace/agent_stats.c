/* SPDX-License-Identifier: MIT */
#include "agent_stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "foreign_mount.h"
#include "reader.h"

static uint64_t own_cpu(void)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*u %" SCNu64, &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Since Linux 6.4 what it takes now, before that what it may come to. */
static uint64_t map_bytes(int fd)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %" SCNu64, &bytes) == 1)
			break;
	fclose(file);
	return bytes;
}

/* As many as agent_stats can hold; a reason that never occurred is left out. */
static void add_lost(struct agent_stats *stats, size_t *used, const char *reason, uint64_t count)
{
	size_t most = sizeof(stats->lost) / sizeof(stats->lost[0]) - 1;

	if (!count || *used >= most)
		return;
	stats->lost[*used].reason = reason;
	stats->lost[*used].count = count;
	stats->lost[++*used].reason = NULL;
}

static void count_lost(struct agent_stats *stats, struct drain *d, const struct watch *w,
		       uint64_t undecided)
{
	struct watch_skipped skipped;
	unsigned int reason;
	size_t used = 0;

	watch_get_skipped(w, &skipped);
	stats->lost[0].reason = NULL;
	for (reason = 0; reason < DRAIN_LOSSES; reason++)
		add_lost(stats, &used, drain_loss_name(reason), drain_lost(d, reason));
	add_lost(stats, &used, "note_dead", skipped.dead_notes);
	add_lost(stats, &used, "note_duplicate", skipped.duplicate_notes);
	add_lost(stats, &used, "note_malformed", skipped.malformed_notes);
	add_lost(stats, &used, "note_unknown", skipped.unknown_probes);
	add_lost(stats, &used, "note_too_many", skipped.too_many_sites);
	add_lost(stats, &used, "file_damaged", skipped.bad_files);
	add_lost(stats, &used, "file_skipped", skipped.files);
	add_lost(stats, &used, "file_changed", skipped.changed);
	add_lost(stats, &used, "mount_refused", foreign_mount_refused());
	add_lost(stats, &used, "process_undecided", undecided);
}

void agent_stats_count(struct agent_stats *stats, struct drain *d, const struct watch *w,
		       const struct attach *a, uint64_t undecided)
{
	const struct agent_map maps[AGENT_MAPS] = {
		{ "steps", drain_steps(d), PB_MAX_STEPS },
		{ "histograms", drain_histograms(d), 4ul * PB_MAX_STEPS },
		{ "processes", drain_processes(d), PB_MAX_PROCESSES },
		{ "files", attach_files(a), PB_MAX_OBJECTS },
	};
	struct attach_maps fds;

	count_lost(stats, d, w, undecided);
	stats->steps = drain_steps(d);
	stats->processes = drain_processes(d);
	for (size_t i = 0; i < AGENT_MAPS; i++)
		stats->maps[i] = maps[i];
	attach_get_maps(a, &fds);
	stats->map_memory = map_bytes(fds.steps) + map_bytes(fds.hists) + map_bytes(fds.processes) +
			    map_bytes(fds.deletions) + map_bytes(fds.places);
	stats->files = attach_files(a);
	stats->sites = attach_sites(a);
	stats->cpu_ns = own_cpu() + reader_cpu_ns();
	stats->memory = resident();
}
