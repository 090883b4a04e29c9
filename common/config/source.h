/*
 * Where a view comes from: the `from` of a view in cluster.yaml, and in the
 * message that brings it to the board.
 */
#ifndef EDGE_CONFIG_SOURCE_H
#define EDGE_CONFIG_SOURCE_H

#define SOURCE_TEXT_MAX 1024 /* bytes of it */
#define SOURCE_WORDS_MAX 32  /* of a command and its arguments */
#define SOURCE_FORMS "dir:FOLDER, exec:COMMAND or v4l2:DEVICE"

enum source_kind { SOURCE_DIR, SOURCE_EXEC, SOURCE_V4L2 };

struct source_form {
    enum source_kind kind;
    const char *path;                  /* of a folder or a device */
    char *words[SOURCE_WORDS_MAX + 1]; /* of a command, ended by NULL */
    char text[SOURCE_TEXT_MAX + 1];    /* theirs */
};

/* NULL, or what is wrong with it, for people. */
const char *source_form_read(const char *text, struct source_form *form);

#endif
