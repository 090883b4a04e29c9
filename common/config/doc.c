#include "config/doc.h"

#include "config/pool.h"
#include "config/text.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>
#include <yaml.h>

struct doc {
    struct pool pool;
    struct doc_node *root;
};

/* A list or mapping that is not closed yet. */
struct frame {
    struct doc_node *node;
    struct doc_node *last;
    struct doc_node *key; /* of the value that comes next */
    bool is_dropped;      /* that value has no place: its key is wrong */
};

struct builder {
    yaml_parser_t parser;
    yaml_event_t event;
    struct doc *doc;
    struct config_errors *errors;
    struct frame frames[LIMIT_YAML_DEPTH];
    size_t depth;
    size_t nodes;
    bool has_document;
    bool is_done;
};

static struct config_at place(const yaml_mark_t *from, const yaml_mark_t *to)
{
    return (struct config_at){
        .line = (uint32_t)from->line + 1,
        .column = (uint32_t)from->column + 1,
        .end_line = (uint32_t)to->line + 1,
        .end_column = (uint32_t)to->column + 1,
    };
}

static struct config_at event_place(const struct builder *b)
{
    return place(&b->event.start_mark, &b->event.end_mark);
}

/* ---- what libyaml itself refuses ---- */

/* The character at a mark's line and after its blanks. */
static bool is_tab(const struct config_errors *errors, const yaml_mark_t *mark)
{
    const char *text = errors->source;
    const char *end = text + errors->source_size;

    for (size_t line = 0; line < mark->line && text < end; line++) {
        const char *next = memchr(text, '\n', (size_t)(end - text));

        text = next != NULL ? next + 1 : end;
    }
    while (text < end && *text == ' ') {
        text++;
    }
    return text < end && *text == '\t';
}

static const char *hint_for(const char *problem)
{
    return strstr(problem, "mapping values are not allowed") != NULL
               ? "; is a colon missing before, or quotes around a text with "
                 "\": \"?"
               : "";
}

static int syntax_error(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem != NULL ? p->problem : "unreadable";
    const yaml_mark_t *mark = &p->problem_mark;
    struct config_at at;

    if (p->error == YAML_MEMORY_ERROR) {
        return EDGE_ENOMEM;
    }
    /* The end of the text says little; where that began which lacks its end
     * says more. */
    if (p->context != NULL && strstr(problem, "end of stream") != NULL) {
        mark = &p->context_mark;
    }
    at = place(mark, mark);
    if (is_tab(b->errors, mark)) {
        config_error(b->errors, &at, "a tab cannot indent YAML; use spaces");
    } else if (p->context == NULL) {
        config_error(b->errors, &at, "not valid YAML: %s%s", problem,
                     hint_for(problem));
    } else if (mark == &p->context_mark || p->context_mark.line == mark->line) {
        config_error(b->errors, &at, "not valid YAML: %s %s", problem,
                     p->context);
    } else {
        config_error(b->errors, &at, "not valid YAML: %s %s (from %zu:%zu on)",
                     problem, p->context, p->context_mark.line + 1,
                     p->context_mark.column + 1);
    }
    return EDGE_ECONFIG;
}

/* ---- the tree ---- */

static int fatal(struct builder *b, const char *what)
{
    struct config_at at = event_place(b);

    config_error(b->errors, &at, "%s", what);
    return EDGE_ECONFIG;
}

static int make_node(struct builder *b, enum doc_kind kind,
                     struct doc_node **out)
{
    struct doc_node *node;

    if (b->nodes == LIMIT_YAML_NODES) {
        return fatal(b, "the file holds more values than edged reads");
    }
    node = pool_alloc(&b->doc->pool, 1, sizeof(*node));
    if (node == NULL) {
        return EDGE_ENOMEM;
    }
    b->nodes++;
    node->kind = kind;
    node->at = event_place(b);
    *out = node;
    return 0;
}

/* Takes a key: it needs to be a scalar that the mapping does not have yet. */
static int take_key(struct builder *b, struct frame *frame,
                    struct doc_node *key)
{
    const struct doc_node *first;
    char quoted[TEXT_QUOTE];

    if (key->kind == DOC_LIST || key->kind == DOC_MAP) {
        return fatal(b, "a key must be a word, not a list or mapping");
    }
    if (frame->node->n == LIMIT_YAML_KEYS) {
        return fatal(b, "a mapping holds more keys than edged reads");
    }
    frame->key = key;
    frame->is_dropped = key->kind == DOC_BAD;
    if (frame->is_dropped) {
        return 0;
    }
    first = doc_get(frame->node, key->text);
    if (first != NULL) {
        frame->is_dropped = true;
        config_error(b->errors, &key->at,
                     "key %s is given twice (first at %u:%u)",
                     text_quote(quoted, key->text, key->length),
                     first->key->at.line, first->key->at.column);
    }
    return 0;
}

/* Puts a node where the text has it. */
static int attach(struct builder *b, struct doc_node *node)
{
    struct frame *frame;

    if (b->depth == 0) {
        b->doc->root = node;
        return 0;
    }
    frame = &b->frames[b->depth - 1];
    if (frame->node->kind == DOC_MAP && frame->key == NULL) {
        return take_key(b, frame, node);
    }
    node->key = frame->key;
    frame->key = NULL;
    if (frame->is_dropped) {
        frame->is_dropped = false;
        return 0;
    }
    if (frame->last != NULL) {
        frame->last->next = node;
    } else {
        frame->node->first = node;
    }
    frame->last = node;
    frame->node->n++;
    return 0;
}

static int open_node(struct builder *b, enum doc_kind kind)
{
    struct doc_node *node;
    int rc;

    if (b->depth == LIMIT_YAML_DEPTH) {
        return fatal(b, "nested too deeply");
    }
    rc = make_node(b, kind, &node);
    if (rc == 0) {
        rc = attach(b, node);
    }
    if (rc == 0) {
        b->frames[b->depth++] = (struct frame){.node = node};
    }
    return rc;
}

static int close_node(struct builder *b)
{
    struct doc_node *node = b->frames[--b->depth].node;
    struct config_at at = event_place(b);

    node->at.end_line = at.end_line;
    node->at.end_column = at.end_column;
    return 0;
}

/* Escapes in double quotes can make what the text itself may not hold. */
static void check_scalar(struct builder *b, struct doc_node *node)
{
    uint32_t code = 0;
    size_t n;

    for (size_t i = 0; i < node->length; i += n) {
        n = text_utf8(node->text + i, node->length - i, &code);
        if (n == 0 || (text_is_control(code) && code != '\n' && code != '\t')) {
            config_error(b->errors, &node->at,
                         "a control character (U+%04X) cannot be part of a "
                         "value",
                         code);
            node->kind = DOC_BAD;
            return;
        }
    }
}

static int add_scalar(struct builder *b)
{
    const yaml_event_t *event = &b->event;
    const char *text = (const char *)event->data.scalar.value;
    struct doc_node *node;
    int rc = make_node(b, DOC_SCALAR, &node);

    if (rc < 0) {
        return rc;
    }
    node->length = event->data.scalar.length;
    node->text = pool_text(&b->doc->pool, text, node->length);
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (node->text == NULL) {
        return EDGE_ENOMEM;
    }
    check_scalar(b, node);
    return attach(b, node);
}

static int add_alias(struct builder *b)
{
    struct config_at at = event_place(b);
    struct doc_node *node;
    int rc = make_node(b, DOC_BAD, &node);

    if (rc < 0) {
        return rc;
    }
    config_error(b->errors, &at,
                 "aliases (*) are not allowed; write the value out");
    node->text = "";
    return attach(b, node);
}

/* ---- events ---- */

static void refuse_properties(struct builder *b, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
    struct config_at at = event_place(b);

    if (anchor != NULL) {
        config_error(b->errors, &at, "anchors (&) are not allowed");
    }
    if (tag != NULL) {
        config_error(b->errors, &at, "tags (!) are not allowed");
    }
}

static int start_document(struct builder *b)
{
    const yaml_event_t *event = &b->event;

    if (b->has_document) {
        return fatal(b, "one document a file: nothing may follow this line");
    }
    b->has_document = true;
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end) {
        return fatal(b, "directives (%) are not allowed");
    }
    return 0;
}

static int take_event(struct builder *b)
{
    const yaml_event_t *event = &b->event;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT: return start_document(b);
    case YAML_STREAM_END_EVENT: b->is_done = true; return 0;
    case YAML_ALIAS_EVENT: return add_alias(b);
    case YAML_SCALAR_EVENT:
        refuse_properties(b, event->data.scalar.anchor, event->data.scalar.tag);
        return add_scalar(b);
    case YAML_SEQUENCE_START_EVENT:
        refuse_properties(b, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
        return open_node(b, DOC_LIST);
    case YAML_MAPPING_START_EVENT:
        refuse_properties(b, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
        return open_node(b, DOC_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return close_node(b);
    default: return 0;
    }
}

static int build(struct builder *b, const char *text, size_t size)
{
    int rc = 0;

    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)text, size);
    while (rc == 0 && !b->is_done) {
        if (!yaml_parser_parse(&b->parser, &b->event)) {
            return syntax_error(b);
        }
        rc = take_event(b);
        yaml_event_delete(&b->event);
    }
    return rc;
}

static int check_text(const char *text, size_t size,
                      struct config_errors *errors)
{
    char what[TEXT_WHAT];
    struct config_at at = {1, 1, 1, 1};

    if (size > LIMIT_YAML) {
        at = (struct config_at){0};
        config_error(errors, &at,
                     "the file has %zu bytes; edged reads up to %zu", size,
                     LIMIT_YAML);
        return EDGE_ECONFIG;
    }
    if (!text_check(text, size, &at, what)) {
        config_error(errors, &at, "%s is not allowed here", what);
        return EDGE_ECONFIG;
    }
    return 0;
}

static int read_tree(struct doc *doc, const char *text, size_t size,
                     struct config_errors *errors)
{
    struct builder b = {.doc = doc, .errors = errors};
    int rc;

    if (!yaml_parser_initialize(&b.parser)) {
        return EDGE_ENOMEM;
    }
    rc = build(&b, text, size);
    yaml_parser_delete(&b.parser);
    return rc;
}

int doc_read(const char *text, size_t size, struct config_errors *errors,
             struct doc **out)
{
    struct doc *doc;
    int rc;

    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    errors->source = text;
    errors->source_size = size;
    rc = check_text(text, size, errors);
    if (rc < 0) {
        return rc;
    }
    doc = mem_new(struct doc);
    if (doc == NULL) {
        return EDGE_ENOMEM;
    }
    rc = read_tree(doc, text, size, errors);
    if (rc < 0) {
        doc_free(doc);
        return rc;
    }
    *out = doc;
    return 0;
}

void doc_free(struct doc *doc)
{
    if (doc != NULL) {
        pool_deinit(&doc->pool);
        mem_free(doc);
    }
}

const struct doc_node *doc_root(const struct doc *doc)
{
    return doc->root;
}

const struct doc_node *doc_get(const struct doc_node *map, const char *key)
{
    if (map == NULL || map->kind != DOC_MAP) {
        return NULL;
    }
    for (const struct doc_node *v = map->first; v != NULL; v = v->next) {
        if (strcmp(v->key->text, key) == 0) {
            return v;
        }
    }
    return NULL;
}

const struct config_at *doc_at(const struct doc_node *node)
{
    const struct config_at *at = &node->at;
    bool is_empty = at->line == at->end_line && at->column == at->end_column;

    return is_empty && node->key != NULL ? &node->key->at : at;
}
