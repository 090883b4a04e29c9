/*
 * One line per event: `2026-11-21T08:00:00.000Z INFO peer.lost node=pi-3`.
 * The log is passed like io, so several nodes can live in one test process.
 * It also remembers the newest lines for `edgectl logs`. Loop thread only.
 */
#ifndef EDGE_BASE_LOG_H
#define EDGE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_TRACE, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log;

/* Writes to `fd` (-1: only remembers). `trace` is a comma-separated list of
 * modules whose LOG_TRACE lines are wanted, such as "net,rollout", or NULL.
 * NULL: out of memory. */
struct log *log_new(int fd, enum log_level min, const char *trace);
void log_free(struct log *log);

/* `event` is module.what; `format` gives fields, `key=value ...`. A NULL log
 * drops the line. */
void log_event(struct log *log, enum log_level level, const char *event,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The newest `n` lines, oldest first, each given to `each` without newline;
 * `seq` is the line's running number, from 1. */
typedef void (*log_each)(void *arg, uint64_t seq, const char *line);
void log_tail(const struct log *log, size_t n, uint64_t after_seq,
              log_each each, void *arg);

#endif
