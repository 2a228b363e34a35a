/* SPDX-License-Identifier: MIT */
/*
 * finding.h - what a check of `pushback doctor` found
 *
 * A fact that was seen, how bad it is, and what to do about it. Texts may hold what a consumer named:
 * whoever shows them makes them safe.
 */
#ifndef FINDING_H
#define FINDING_H

enum finding_level {
	FINDING_OK,
	FINDING_WARNING, /* it works, with less or with a risk */
	FINDING_FAILURE, /* it does not */
};

struct finding {
	const char *check; /* its name: a word, part of the user interface */
	enum finding_level level;
	char fact[768];
	char advice[384]; /* "": nothing to do */
};

typedef void (*finding_fn)(const struct finding *finding, void *context);

#define FINDING_FORMAT __attribute__((format(printf, 2, 3)))
/* Set level and fact; advice is added. */
void finding_ok(struct finding *f, const char *fact, ...) FINDING_FORMAT;
void finding_warn(struct finding *f, const char *fact, ...) FINDING_FORMAT;
void finding_fail(struct finding *f, const char *fact, ...) FINDING_FORMAT;
void finding_advise(struct finding *f, const char *advice, ...) FINDING_FORMAT;
/* Appends to the fact. */
void finding_add(struct finding *f, const char *fact, ...) FINDING_FORMAT;

/*
 * A failure from a line of ours that says what is wrong and, behind a colon, what would help (`why`
 * of attach.h and target.h).
 */
void finding_fail_why(struct finding *f, const char *why);

#endif /* FINDING_H */
