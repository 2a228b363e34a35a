/* SPDX-License-Identifier: MIT */
/* report_page.h - the page of a report, into a file that is whole or not there */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include <stddef.h>

struct report_page;

/*
 * Where it is to go: "-" is standard output. `path` stays the caller's. Before the watch, which may open nothing for writing any more,
 * and at once where nothing could be written. 0, or -errno with a line in `why`.
 */
int report_page_open(struct report_page **out, const char *path, char *why, size_t why_size);
/*
 * The page with its data (report_text()). A file takes the place of the one before all at once; what is no
 * regular file is written to as it is. 0, or -errno with a line in `why`, and nothing is left behind. Once;
 * `page` is still to be freed.
 */
int report_page_write(struct report_page *page, const char *data, char *why, size_t why_size);
/* Of one that was not written nothing is left. */
void report_page_free(struct report_page *page);

#endif /* REPORT_PAGE_H */
