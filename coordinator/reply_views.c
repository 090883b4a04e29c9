#include "coordinator/reply_views.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MASK_TEXT 64

/* "0,3"; "-" for none. */
static void mask_text(uint32_t absent, char out[MASK_TEXT])
{
    size_t at = 0;

    (void)snprintf(out, MASK_TEXT, "-");
    for (unsigned i = 0; i < 32 && at + 4 < MASK_TEXT; i++) {
        if ((absent >> i & 1) != 0) {
            at += (size_t)snprintf(out + at, MASK_TEXT - at, "%s%u",
                                   at > 0 ? "," : "", i);
        }
    }
}

/* "96.1 10000", and the line ends. */
static bool read_numbers(const char *text, double *accuracy, uint64_t *samples)
{
    char *end;
    double percent = strtod(text, &end);
    unsigned long long n;

    if (end == text || *end != ' ' || !(percent >= 0 && percent <= 100)) {
        return false;
    }
    text = end + 1;
    n = strtoull(text, &end, 10);
    if (end == text || (*end != '\n' && *end != '\0')) {
        return false;
    }
    *accuracy = percent;
    *samples = n;
    return true;
}

bool reply_views_accuracy(const char *text, uint32_t absent, double *accuracy,
                          uint64_t *samples)
{
    char mask[MASK_TEXT];
    size_t n;

    mask_text(absent, mask);
    n = strlen(mask);
    while (text != NULL && *text != '\0') {
        const char *next = strchr(text, '\n');

        if (strncmp(text, mask, n) == 0 && text[n] == ' ') {
            return read_numbers(text + n + 1, accuracy, samples);
        }
        text = next != NULL ? next + 1 : NULL;
    }
    return false;
}

static int name_missing(struct reply_views *views,
                        const Edged__Placement *version, uint32_t absent)
{
    for (size_t i = 0; i < version->n_inputs && i < LIMIT_PORTS; i++) {
        char *name;

        if ((absent >> i & 1) == 0) {
            continue;
        }
        name = mem_strdup(version->inputs[i]->name);
        if (name == NULL) {
            return EDGE_ENOMEM;
        }
        views->missing[views->n_missing++] = name;
    }
    return 0;
}

int reply_views_init(struct reply_views *views, const struct answer *answer)
{
    const struct relay_views *from = answer->views;

    *views = (struct reply_views){0};
    if (answer->rc < 0 || from == NULL || answer->version == NULL) {
        return 0;
    }
    if (answer->exit != NULL) {
        (void)snprintf(views->exit, sizeof(views->exit), "%s",
                       answer->exit->name);
        views->confidence = from->confidence;
    }
    views->n_sent = relay_views_sent(from, &views->sent);
    if (from->absent == 0) {
        return 0;
    }
    views->has_accuracy =
        reply_views_accuracy(answer->version->view_accuracy, from->absent,
                             &views->accuracy, &views->samples);
    return name_missing(views, answer->version, from->absent);
}

void reply_views_deinit(struct reply_views *views)
{
    for (size_t i = 0; i < views->n_missing; i++) {
        mem_free(views->missing[i]);
    }
    views->n_missing = 0;
}

void reply_views_fill(struct reply_views *views, Edged__Answer *message)
{
    message->complete = message->complete && views->n_missing == 0;
    message->missing = views->missing;
    message->n_missing = views->n_missing;
    message->exit = views->exit;
    message->confidence = views->confidence;
    message->has_accuracy = views->has_accuracy;
    message->accuracy = views->accuracy;
    message->samples = views->samples;
    message->sent = views->sent.pointers;
    message->n_sent = views->n_sent;
}
