#include "config/source.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A command is split where there are blanks and no shell sees it: what would
 * need one (quotes, pipes, variables) belongs into a script. */
static const char *split(struct source_form *form, char *rest)
{
    size_t n = 0;

    for (;;) {
        rest += strspn(rest, " \t");
        if (*rest == '\0') {
            break;
        }
        if (n == SOURCE_WORDS_MAX) {
            return "the command has more than 32 words; put it into a script";
        }
        form->words[n++] = rest;
        rest += strcspn(rest, " \t");
        if (*rest != '\0') {
            *rest++ = '\0';
        }
    }
    return n > 0 ? NULL
                 : "a command is missing, as in \"exec:rpicam-still -n -o -\"";
}

const char *source_form_read(const char *text, struct source_form *form)
{
    *form = (struct source_form){.kind = SOURCE_DIR};
    if (strlen(text) > SOURCE_TEXT_MAX) {
        return "it is longer than 1024 bytes";
    }
    (void)snprintf(form->text, sizeof(form->text), "%s", text);
    if (strncmp(text, "dir:", 4) == 0) {
        form->path = form->text + 4;
        return form->path[0] == '/' ? NULL
                                    : "the folder is written from the root, as "
                                      "in \"dir:/var/spool/cam\"";
    }
    if (strncmp(text, "exec:", 5) == 0) {
        form->kind = SOURCE_EXEC;
        return split(form, form->text + 5);
    }
    if (strncmp(text, "v4l2:", 5) == 0) {
        form->kind = SOURCE_V4L2;
        form->path = form->text + 5;
        return strncmp(form->path, "/dev/", 5) == 0
                   ? NULL
                   : "a camera is a device, as in \"v4l2:/dev/video0\"";
    }
    return "it is none of " SOURCE_FORMS;
}
