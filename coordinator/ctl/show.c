#include "coordinator/ctl/show.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- text --------------------------------------------------------------- */

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Bytes of the UTF-8 character at `s`, 0 if there is none (RFC 3629: no
 * overlong forms, no surrogates, nothing beyond U+10FFFF). */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        return is_tail(s[1]) ? 2 : 0;
    }
    if (s[0] >= 0xe0 && s[0] <= 0xef) {
        bool is_odd =
            (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f);

        return !is_odd && is_tail(s[1]) && is_tail(s[2]) ? 3 : 0;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        bool is_odd =
            (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);

        return !is_odd && is_tail(s[1]) && is_tail(s[2]) && is_tail(s[3]) ? 4
                                                                          : 0;
    }
    return 0;
}

/* The C1 controls, U+0080 to U+009F, move a terminal's cursor like ESC. */
static bool is_control(const unsigned char *s)
{
    return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void show_clean(char *text)
{
    unsigned char *out = (unsigned char *)text;
    const unsigned char *in = out;

    while (*in != '\0') {
        size_t n = utf8_length(in);

        if (n == 0 || is_control(in)) {
            *out++ = '?';
            in += n > 0 ? n : 1;
            continue;
        }
        memmove(out, in, n);
        out += n;
        in += n;
    }
    *out = '\0';
}

char *show_copy(const char *text)
{
    char *copy = mem_strdup(text);

    if (copy != NULL) {
        show_clean(copy);
    }
    return copy;
}

/* ---- JSON --------------------------------------------------------------- */

json_t *show_json(const char *text)
{
    json_t *json = json_string(text);
    char *copy;

    if (json != NULL) {
        return json;
    }
    copy = show_copy(text);
    json = copy != NULL ? json_string(copy) : NULL;
    mem_free(copy);
    return json;
}

int show_json_line(json_t *object, struct err *err)
{
    /* Six digits tell any score, time or share apart that matters. */
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(6);
    int rc = object == NULL || json_dumpf(object, stdout, flags) < 0
                 ? EDGE_ENOMEM
                 : 0;

    json_decref(object);
    if (rc < 0) {
        return err_set(err, rc, "out of memory");
    }
    (void)putchar('\n');
    (void)fflush(stdout);
    return 0;
}

/* ---- numbers ------------------------------------------------------------ */

const char *show_count(double count, char out[SHOW_NUMBER])
{
    static const char units[] = {' ', 'k', 'M', 'G', 'T'};
    size_t unit = 0;

    while (count >= 999.5 && unit + 1 < sizeof(units)) {
        count /= 1000;
        unit++;
    }
    if (unit == 0) {
        (void)snprintf(out, SHOW_NUMBER, "%.0f", count);
    } else {
        (void)snprintf(out, SHOW_NUMBER, count < 9.95 ? "%.1f %c" : "%.0f %c",
                       count, units[unit]);
    }
    return out;
}

const char *show_bytes(double bytes, char out[SHOW_NUMBER])
{
    if (bytes < 1024) {
        (void)snprintf(out, SHOW_NUMBER, "%.0f B", bytes);
    } else if (bytes < 1024 * 1024) {
        (void)snprintf(out, SHOW_NUMBER, "%.1f KiB", bytes / 1024);
    } else {
        (void)snprintf(out, SHOW_NUMBER, "%.1f MiB", bytes / (1024 * 1024));
    }
    return out;
}

int show_check_format(const struct ctl *ctl)
{
    if (ctl->format != CTL_YAML && ctl->format != CTL_NAME) {
        return CTL_OK;
    }
    (void)fprintf(stderr,
                  "edgectl %s: it writes tables and JSON alone. Try: -o json\n",
                  ctl->verb);
    return CTL_USAGE;
}

json_t *show_event(const Edged__Event *event)
{
    time_t seconds = (time_t)(event->unix_ms / 1000);
    struct tm tm;
    char date[40] = "";
    char time[60];

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(time, sizeof(time), "%s.%03uZ", date,
                   (unsigned)(event->unix_ms % 1000));
    return json_pack("{s:I,s:s,s:s,s:o,s:o}", "number",
                     (json_int_t)event->number, "time", time, "kind",
                     event->kind, "node", show_json(event->node), "text",
                     show_json(event->text));
}
