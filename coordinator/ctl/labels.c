#include "coordinator/ctl/labels.h"

#include "base/mem.h"
#include "coordinator/ctl/show.h"

#include <string.h>

#define MARK "\xef\xbb\xbf" /* what some editors put before UTF-8 */

static size_t count_lines(const char *text, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i++) {
        n += text[i] == '\n';
    }
    return n + 1;
}

/* Ends a line where its text ends. */
static void trim(char *line)
{
    size_t n = strlen(line);

    while (n > 0 && strchr(" \t\r", line[n - 1]) != NULL) {
        n--;
    }
    line[n] = '\0';
    show_clean(line);
}

int labels_parse(const void *data, size_t size, struct labels *labels)
{
    size_t mark = size >= 3 && memcmp(data, MARK, 3) == 0 ? 3 : 0;
    char *at;
    char *end;

    *labels = (struct labels){0};
    labels->text = mem_zalloc(size - mark + 1, 1);
    labels->names = mem_array(const char *, count_lines(data, size));
    if (labels->text == NULL || labels->names == NULL) {
        labels_deinit(labels);
        return EDGE_ENOMEM;
    }
    memcpy(labels->text, (const char *)data + mark, size - mark);
    end = labels->text + (size - mark);
    for (at = labels->text; at < end;) {
        char *line = at;
        char *stop = memchr(at, '\n', (size_t)(end - at));

        stop = stop != NULL ? stop : end;
        *stop = '\0';
        at = stop + 1;
        trim(line);
        labels->names[labels->n++] = line;
    }
    while (labels->n > 0 && labels->names[labels->n - 1][0] == '\0') {
        labels->n--;
    }
    return 0;
}

void labels_deinit(struct labels *labels)
{
    mem_free(labels->text);
    mem_free(labels->names);
    *labels = (struct labels){0};
}

const char *labels_name(const struct labels *labels, size_t index)
{
    return index < labels->n ? labels->names[index] : "";
}
