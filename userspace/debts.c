/* SPDX-License-Identifier: MIT */
#include "debts.h"

/* What a user may have at once, who begins meanwhile as well; heavy ones, as much as is paid by the next look. */
#define AT_ONCE_NS 250000000ull
#define HEAVY_NS   18000000ull

static struct debt *of(struct debts *debts, uid_t user)
{
	for (size_t i = 0; i < DEBTS_MOST; i++) {
		if (debts->of[i].user == user && debts->of[i].paid)
			return &debts->of[i];
	}
	return NULL;
}

void debts_begin_round(struct debts *debts)
{
	for (size_t i = 0; i < DEBTS_MOST; i++) {
		struct debt *debt = &debts->of[i];

		debt->waited = debt->waits;
		debt->waits = false;
		if (!debt->waited)
			debt->next = 0;
	}
}

bool debts_must_wait(struct debts *debts, uid_t user, pid_t pid, bool heavy, uint64_t now)
{
	struct debt *debt = of(debts, user);

	if (!debt)
		return false;
	if (!heavy)
		return debt->paid > now + AT_ONCE_NS * DEBTS_PART;
	if (pid < debt->next && debt->waited)
		return true;
	if (debt->paid > now + HEAVY_NS * DEBTS_PART) {
		debt->waits = debt->waits || pid >= debt->next;
		return true;
	}
	debt->next = pid + 1;
	return false;
}

/* One that is paid. NULL: none is. */
static struct debt *take_paid(struct debts *debts, uid_t user, uint64_t now)
{
	for (size_t i = 0; i < DEBTS_MOST; i++) {
		if (debts->of[i].paid <= now) {
			debts->of[i] = (struct debt){ .user = user };
			return &debts->of[i];
		}
	}
	return NULL;
}

bool debts_charge(struct debts *debts, uid_t user, uint64_t took, uint64_t now)
{
	struct debt *debt = of(debts, user);

	if (!debt)
		debt = take_paid(debts, user, now);
	if (!debt)
		return false;
	if (debt->paid < now)
		debt->paid = now;
	debt->paid += took * DEBTS_PART;
	return true;
}
