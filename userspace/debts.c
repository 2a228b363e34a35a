/* SPDX-License-Identifier: MIT */
#include "debts.h"

/* A user may have as much at once, and so may who begins meanwhile; heavy ones come when all is paid. */
#define AT_ONCE_NS 250000000ull

bool debts_must_wait(const struct debts *debts, uid_t user, bool heavy, uint64_t now)
{
	uint64_t allowed = now + (heavy ? 0 : AT_ONCE_NS * DEBTS_PART);

	for (size_t i = 0; i < DEBTS_MOST; i++) {
		if (debts->of[i].user == user && debts->of[i].paid > allowed)
			return true;
	}
	return false;
}

/* The user's own, or else one that is paid. NULL: all are others', and are not. */
static struct debt *find(struct debts *debts, uid_t user, uint64_t now)
{
	struct debt *found = NULL;

	for (size_t i = 0; i < DEBTS_MOST; i++) {
		struct debt *debt = &debts->of[i];

		if (debt->user == user && debt->paid)
			return debt;
		if (debt->paid <= now)
			found = debt;
	}
	return found;
}

bool debts_charge(struct debts *debts, uid_t user, uint64_t took, uint64_t now)
{
	struct debt *debt = find(debts, user, now);

	if (!debt)
		return false;
	debt->user = user;
	if (debt->paid < now)
		debt->paid = now;
	debt->paid += took * DEBTS_PART;
	return true;
}
