/* SPDX-License-Identifier: MIT */
/*
 * debts.h - users whose processes took long to look at: these wait for it, and nobody else's do
 *
 * What was taken on behalf of a user is paid by waiting DEBTS_PART times as long. Those that it was run into by,
 * heavy ones, come one after the other, by their numbers. Times are CLOCK_MONOTONIC, ns. Pure.
 */
#ifndef DEBTS_H
#define DEBTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEBTS_PART 50
#define DEBTS_MOST 8 /* users: what all of them take is bounded by that as well */

struct debts {
	struct debt {
		uid_t user;
		uint64_t paid; /* from then on; 0: nobody's */
		pid_t next;    /* heavy ones from here on are to be looked at in this round */
		bool waits;    /* one of these does */
		bool waited;   /* did, in the round before: those before `next` let it go first */
	} of[DEBTS_MOST];
};

/* All processes are looked at once more. */
void debts_begin_round(struct debts *debts);
/* Whether one of that user's has to wait; else it is looked at. */
bool debts_must_wait(struct debts *debts, uid_t user, pid_t pid, bool heavy, uint64_t now);
/* false: so many others have debts that it is for everybody to pay. */
bool debts_charge(struct debts *debts, uid_t user, uint64_t took, uint64_t now);

#endif /* DEBTS_H */
