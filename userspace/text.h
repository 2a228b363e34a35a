/* SPDX-License-Identifier: MIT */
/* text.h - names that a consumer has chosen, for a screen. Pure. */
#ifndef TEXT_H
#define TEXT_H

/* A step's or consumer's name on a screen, where "" would be overlooked. */
const char *text_name(const char *name);

#endif /* TEXT_H */
