/*
 * Text that comes from outside, made fit for a terminal and for JSON; numbers
 * for people. No I/O.
 */
#ifndef EDGE_CTL_SHOW_H
#define EDGE_CTL_SHOW_H

#include "coordinator/ctl/ctl.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Control characters and bytes that are no UTF-8 become '?', in place: names
 * of files and labels are anybody's, and ESC would reach the terminal. */
void show_clean(char *text);
/* A clean copy, for mem_free(); NULL: out of memory. */
char *show_copy(const char *text);
/* A JSON string of any text, cleaned where JSON could not hold it. */
json_t *show_json(const char *text);
/* Prints `object` as one line on stdout and lets it go. 0, or EDGE_ENOMEM if
 * it is NULL or cannot be written. */
int show_json_line(json_t *object, struct err *err);

/* An event of the cluster; its time as RFC 3339. NULL: out of memory. */
json_t *show_event(const Edged__Event *event);

#define SHOW_NUMBER 32
/* "3.5 M", "300 M", "12 k", "7". */
const char *show_count(double count, char out[SHOW_NUMBER]);
/* "13.9 MiB", "8.0 KiB", "512 B". */
const char *show_bytes(double bytes, char out[SHOW_NUMBER]);

/* CTL_OK, or CTL_USAGE after a sentence: the verb writes tables and JSON. */
int show_check_format(const struct ctl *ctl);

#endif
