#include "base/log.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 512
#define EVENT_MAX 64

struct log {
    int fd;
    enum log_level min;
    char *trace;
    uint64_t count;               /* lines ever written */
    char *lines[LIMIT_LOG_LINES]; /* a ring, slot = (seq - 1) % size */
};

struct log *log_new(int fd, enum log_level min, const char *trace)
{
    struct log *log = mem_new(struct log);

    if (log == NULL) {
        return NULL;
    }
    log->fd = fd;
    log->min = min;
    if (trace != NULL) {
        log->trace = mem_strdup(trace);
        if (log->trace == NULL) {
            mem_free(log);
            return NULL;
        }
    }
    return log;
}

void log_free(struct log *log)
{
    if (log == NULL) {
        return;
    }
    for (size_t i = 0; i < LIMIT_LOG_LINES; i++) {
        mem_free(log->lines[i]);
    }
    mem_free(log->trace);
    mem_free(log);
}

/* True if the module of `event` (the part before the dot) is traced. */
static bool is_traced(const struct log *log, const char *event)
{
    size_t length = strcspn(event, ".");
    const char *p = log->trace;

    while (p != NULL && *p != '\0') {
        size_t n = strcspn(p, ",");

        if ((n == length && strncmp(p, event, n) == 0) ||
            (n == 3 && strncmp(p, "all", 3) == 0)) {
            return true;
        }
        p += n + (p[n] == ',');
    }
    return false;
}

static size_t format_stamp(char *out, size_t size)
{
    struct timespec now;
    struct tm tm;
    size_t n;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(out + n, size - n, ".%03dZ ",
                          (int)(now.tv_nsec / 1000000));
    return n;
}

/* A peer's text in a field cannot forge a line or drive the terminal: no
 * control characters pass, in ASCII or as UTF-8 (U+0080 to U+009F). */
static void defuse(char *line)
{
    for (unsigned char *c = (unsigned char *)line; *c != '\0'; c++) {
        if (*c < ' ' || *c == 0x7f) {
            *c = ' ';
        } else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) {
            c[0] = ' ';
            c[1] = ' ';
        }
    }
}

static void remember(struct log *log, const char *line)
{
    char **slot = &log->lines[log->count % LIMIT_LOG_LINES];

    mem_free(*slot);
    *slot = mem_strdup(line);
    log->count++;
}

void log_event(struct log *log, enum log_level level, const char *event,
               const char *format, ...)
{
    static const char *const names[] = {"TRACE", "INFO", "WARN", "ERROR"};
    char line[LINE_BYTES];
    va_list args;
    size_t n;

    if (log == NULL ||
        (level == LOG_TRACE ? !is_traced(log, event) : level < log->min)) {
        return;
    }
    n = format_stamp(line, sizeof(line));
    n += (size_t)snprintf(line + n, sizeof(line) - n, "%s %.*s ", names[level],
                          EVENT_MAX, event);
    va_start(args, format);
    (void)vsnprintf(line + n, sizeof(line) - n - 1, format, args);
    va_end(args);
    defuse(line);
    remember(log, line);
    if (log->fd >= 0) {
        n = strlen(line);
        line[n] = '\n';
        if (write(log->fd, line, n + 1) < 0) {
            return; /* a log that cannot be written has nowhere to say so */
        }
    }
}

void log_tail(const struct log *log, size_t n, uint64_t after_seq,
              log_each each, void *arg)
{
    uint64_t count = log != NULL ? log->count : 0;
    uint64_t kept = count < LIMIT_LOG_LINES ? count : LIMIT_LOG_LINES;
    uint64_t first = count - (n < kept ? n : kept);

    for (uint64_t i = first < after_seq ? after_seq : first; i < count; i++) {
        const char *line = log->lines[i % LIMIT_LOG_LINES];

        if (line != NULL) {
            each(arg, i + 1, line);
        }
    }
}
