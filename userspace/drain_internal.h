/* SPDX-License-Identifier: MIT */
/*
 * drain_internal.h - what the drain has
 *
 *	drain.c       drains
 *	drain_look.c  what entries and memory say
 *	drain_same.c  which steps have no news
 *	drain_keep.c  what of them outlives the agent
 *	drain_loss.c  what was lost
 */
#ifndef DRAIN_INTERNAL_H
#define DRAIN_INTERNAL_H

#include "drain.h"
#include "drain_hists.h"
#include "drain_map.h"
#include "drain_seen.h"
#include "peek.h"

struct item {
	struct seen *seen;
	size_t at;  /* in the map's order */
	bool whole; /* it could be read */
	bool read;  /* by itself, where the others were not */
	int peeked; /* peek_step.result */
	bool same;  /* peek_step.same */
	/* Of its process, before its memory was read; 0: it could not be. */
	uint64_t cpu;
	bool at_rest; /* it has not run since, and is not read */
	unsigned int rests;
};

struct drain {
	struct attach_maps maps;
	struct seen_table seen;
	unsigned int walk; /* counts those that have found other steps than the one before */
	size_t processes;
	uint64_t changes;      /* the kernel's count, before the map was read the last time */
	uint64_t durations_at; /* the last drain with them */
	size_t had_events;     /* how many steps had some since the one before that */
	size_t had_read;       /* in that one, how many needed their histograms */
	uint64_t lost[DRAIN_LOSSES];
	int cpus;
	uint64_t *per_cpu;
	struct drain_map map;
	struct drain_hists *hists;
	/* The same by process and place; as long as there are the same steps the order stays. */
	struct pb_step_key *known;
	size_t known_count;
	struct item *items;
	size_t items_count;
	size_t steps;            /* of them, those that live */
	bool terse;              /* drain_set_terse() */
	bool keeps;              /* drain_set_keeps() */
	size_t ended;            /* that wait for drain_bury() */
	size_t capacity;         /* of these arrays */
	struct peek_step *peeks; /* for those that are read together */
	struct peeker *peeker;
	struct hist samples[2];
	struct pb_step entry;
	struct record same;
};

/*
 * drain_look.c: item.whole says which entries are there, item.peeked of which their memory was read.
 * `again`: entries are those of the drain before, brought up to date.
 */
void drain_look(struct drain *d, struct item *items, size_t count, bool again,
		enum drain_kind kind);
/* Instead of a copy that may be torn. */
bool drain_read_whole(struct drain *d, const struct pb_step_key *key, struct pb_step *e);

/* drain_same.c: all that the step's last record said is so still, and there is nothing to add. */
bool drain_is_same(const struct item *item, enum drain_kind kind);
void drain_note_told(struct seen *seen, const struct pb_step *e, bool settled);
void drain_same_record(struct record *r, const struct item *item, const struct pb_step *e);

#endif /* DRAIN_INTERNAL_H */
