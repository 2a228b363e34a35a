/* SPDX-License-Identifier: MIT */
/* report_page.h - the page of a report, into a file that is whole or not there */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include <stddef.h>

/*
 * Whether something could be written there at all, before a long watch: 0, or -errno with a line in
 * `why`. "-" is standard output.
 */
int report_page_check(const char *path, char *why, size_t why_size);
/*
 * The page with its data (report_text()). A file takes the place of the one before all at once; what is no
 * regular file is written to as it is. 0, or -errno with a line in `why`, and nothing is left behind.
 */
int report_page_write(const char *path, const char *data, char *why, size_t why_size);

#endif /* REPORT_PAGE_H */
