#include "coordinator/ctl/infer_print.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/store.h"
#include "coordinator/ctl/answer.h"
#include "coordinator/ctl/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CLASSES_WIDTH 44 /* what mostly comes before the time */

/* ---- JSON --------------------------------------------------------------- */

static json_t *class_json(const struct infer_line *line,
                          const struct answer_class *class)
{
    const char *label = labels_name(&line->deployed->labels, class->index);
    json_t *score =
        isfinite(class->score) ? json_real(class->score) : json_null();

    return json_pack("{s:I,s:o,s:o}", "index", (json_int_t) class->index,
                     "label", show_json(label), "score", score);
}

static json_t *hop_json(const Edged__Hop *hop)
{
    return json_pack("{s:o,s:o,s:f,s:f}", "node", show_json(hop->node), "shard",
                     show_json(hop->shard), "compute_ms", hop->compute_us / 1e3,
                     "wire_ms", hop->wire_us / 1e3);
}

/* What an answer says of a model's views, if it has any. */
static int add_views(json_t *to, const struct infer_line *line)
{
    const Edged__Answer *answer = line->landed->answer;
    json_t *missing = json_array();
    json_t *bytes = json_object();

    for (size_t i = 0; i < answer->n_missing; i++) {
        (void)json_array_append_new(missing, show_json(answer->missing[i]));
    }
    for (size_t i = 0; i < answer->n_sent; i++) {
        const Edged__ViewSent *sent = answer->sent[i];

        if (sent->view < line->deployed->n_inputs) {
            (void)json_object_set_new(
                bytes, line->deployed->inputs[sent->view].name,
                json_pack("{s:I,s:I}", "values", (json_int_t)sent->values,
                          "heads", (json_int_t)sent->heads));
        }
    }
    if (answer->has_accuracy) {
        (void)json_object_set_new(to, "measured",
                                  json_pack("{s:f,s:I}", "accuracy",
                                            answer->accuracy / 100, "samples",
                                            (json_int_t)answer->samples));
    }
    (void)json_object_set_new(to, "sent_bytes", bytes);
    return json_object_set_new(to, "missing", missing);
}

/* NULL: out of memory. */
static json_t *make_json(const struct infer_line *line,
                         const struct answer_class *classes, size_t n)
{
    const Edged__Answer *answer = line->landed->answer;
    json_t *top = json_array();
    json_t *hops = json_array();
    json_t *image = line->image != NULL ? show_json(line->image) : NULL;
    json_t *all;
    char model[DIGEST_HEX] = "";

    if (answer->model.len == sizeof(struct digest)) {
        bytes_to_hex(answer->model.data, answer->model.len, model);
    }
    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(top, class_json(line, &classes[i]));
    }
    for (size_t i = 0; i < answer->n_hops; i++) {
        (void)json_array_append_new(hops, hop_json(answer->hops[i]));
    }
    all = json_pack("{s:o*,s:o,s:b,s:f,s:o,s:i,s:s}", "image", image, "top",
                    top, "complete", (int)answer->complete, "latency_ms",
                    answer->latency_us / 1e3, "hops", hops, "generation",
                    (int)answer->generation, "model", model);
    if (all != NULL && answer->exit[0] != '\0') {
        (void)json_object_set_new(all, "exit", show_json(answer->exit));
        (void)json_object_set_new(all, "confidence",
                                  json_real(answer->confidence));
    }
    if (all != NULL && line->deployed->n_inputs > 1 &&
        add_views(all, line) < 0) {
        json_decref(all);
        return NULL;
    }
    return all;
}

/* ---- for people --------------------------------------------------------- */

static char *class_text(const struct infer_line *line,
                        const struct answer_class *class)
{
    const char *label = labels_name(&line->deployed->labels, class->index);

    if (label[0] == '\0') {
        return mem_printf("class %zu %.2f", class->index, class->score);
    }
    return mem_printf("%s %.2f", label, class->score);
}

/* Appends, and lets the piece go. False: out of memory. */
static bool append(char **text, char *piece, const char *between)
{
    char *longer = *text != NULL && piece != NULL
                       ? mem_printf("%s%s%s", *text,
                                    (*text)[0] != '\0' ? between : "", piece)
                       : NULL;

    mem_free(*text);
    mem_free(piece);
    *text = longer;
    return longer != NULL;
}

/* What the outputs are, where they are no classes. */
static char *outputs_text(const struct infer_line *line)
{
    char *text = mem_strdup("");

    for (size_t i = 0; i < line->landed->n_outputs; i++) {
        const struct tensor *t = &line->landed->outputs[i];
        char *name = show_copy(line->deployed->outputs[i].name);
        char shape[SHAPE_TEXT];
        bool is_more;

        is_more = append(&text,
                         name != NULL ? mem_printf("%s %s %s", name,
                                                   dtype_name(t->dtype),
                                                   shape_text(&t->shape, shape))
                                      : NULL,
                         "   ");
        mem_free(name);
        if (!is_more) {
            return NULL;
        }
    }
    return text;
}

static char *classes_text(const struct infer_line *line,
                          const struct answer_class *classes, size_t n)
{
    char *text = mem_strdup("");

    if (n == 0) {
        mem_free(text);
        return outputs_text(line);
    }
    for (size_t i = 0; i < n; i++) {
        if (!append(&text, class_text(line, &classes[i]), "   ")) {
            return NULL;
        }
    }
    return text;
}

static char *path_text(const Edged__Answer *answer)
{
    char *text = mem_strdup("");

    for (size_t i = 0; i < answer->n_hops; i++) {
        if (!append(&text, show_copy(answer->hops[i]->node), " > ")) {
            return NULL;
        }
    }
    return text;
}

static void print_time(const Edged__Answer *answer, const char *path)
{
    double wire = 0;

    for (size_t i = 0; i < answer->n_hops; i++) {
        wire += answer->hops[i]->wire_us / 1e3;
    }
    (void)printf("  %3.0f ms (%s%swire %.*f ms%s%s%s)\n",
                 answer->latency_us / 1e3, path, path[0] != '\0' ? ", " : "",
                 wire < 9.95 ? 1 : 0, wire,
                 answer->resent > 0 ? ", sent again after a loss" : "",
                 answer->exit[0] != '\0' ? ", left at " : "", answer->exit);
    (void)fflush(stdout);
}

static int print_line(const struct infer_line *line, struct err *err)
{
    char *image = show_copy(line->image);
    char *text = infer_text(line);
    char *path = path_text(line->landed->answer);
    int rc = 0;

    if (image == NULL || text == NULL || path == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    } else {
        (void)printf("%-*s  %-*s", (int)line->width, image, CLASSES_WIDTH,
                     text);
        print_time(line->landed->answer, path);
    }
    mem_free(image);
    mem_free(text);
    mem_free(path);
    return rc;
}

void infer_warn(const struct ctl *ctl, const struct infer_line *line)
{
    const Edged__Answer *answer = line->landed->answer;
    char *image = show_copy(line->image);
    char *missing = infer_missing(line->landed);

    if (image != NULL && missing != NULL && !answer->complete && !ctl->quiet) {
        (void)fprintf(stderr, "warning: %s: answered without %s", image,
                      missing);
        if (answer->has_accuracy) {
            (void)fprintf(stderr,
                          "; %.1f %% of such answers were right, of "
                          "%llu",
                          answer->accuracy,
                          (unsigned long long)answer->samples);
        }
        (void)fprintf(stderr, "\n");
    }
    mem_free(image);
    mem_free(missing);
}

static int find_classes(const struct infer_line *line,
                        struct answer_class **classes, size_t *n)
{
    const struct tensor *scores =
        answer_scores(line->landed->outputs, line->landed->n_outputs);

    *classes = NULL;
    *n = 0;
    return scores != NULL ? answer_top(scores, line->top, classes, n) : 0;
}

json_t *infer_json(const struct infer_line *line)
{
    struct answer_class *classes;
    json_t *made;
    size_t n;

    if (find_classes(line, &classes, &n) < 0) {
        return NULL;
    }
    made = make_json(line, classes, n);
    mem_free(classes);
    return made;
}

char *infer_text(const struct infer_line *line)
{
    struct answer_class *classes;
    char *text;
    size_t n;

    if (find_classes(line, &classes, &n) < 0) {
        return NULL;
    }
    text = classes_text(line, classes, n);
    mem_free(classes);
    return text;
}

char *infer_missing(const struct landed *landed)
{
    char *missing = mem_strdup("");
    bool fine = missing != NULL;

    for (size_t i = 0; i < landed->answer->n_missing && fine; i++) {
        fine = append(&missing, show_copy(landed->answer->missing[i]), ", ");
    }
    return missing;
}

int infer_print(const struct ctl *ctl, const struct infer_line *line,
                struct err *err)
{
    return ctl->format == CTL_JSON ? show_json_line(infer_json(line), err)
                                   : print_line(line, err);
}
