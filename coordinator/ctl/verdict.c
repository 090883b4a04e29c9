#include "coordinator/ctl/verdict.h"

#include "base/mem.h"
#include "coordinator/ctl/reference.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/table.h"

#include <math.h>
#include <stdio.h>

/* ---- comparing ----------------------------------------------------------- */

static int64_t first_choice(const struct tensor *t)
{
    int64_t best = 0;

    for (int64_t i = 1; i < tensor_count(t); i++) {
        best = tensor_get(t, i) > tensor_get(t, best) ? i : best;
    }
    return best;
}

/* NaN is near NaN alone. */
static double distance(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b) ? 0 : INFINITY;
    }
    return a == b ? 0 : fabs(a - b);
}

static void compare(struct gap *gap, const struct tensor *want,
                    const struct tensor *got)
{
    if (want->dtype != got->dtype || !shape_equal(&want->shape, &got->shape)) {
        gap->is_other = true;
        return;
    }
    for (int64_t i = 0; i < tensor_count(want); i++) {
        double a = tensor_get(want, i);

        gap->most = fmax(gap->most, distance(a, tensor_get(got, i)));
        if (isfinite(a)) {
            gap->largest = fmax(gap->largest, fabs(a));
        }
    }
}

void gap_add(struct gap *gap, const struct tensor *want,
             const struct tensor *got, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        compare(gap, &want[i], &got[i]);
    }
    gap->n++;
    gap->same += reference_same(want, got, n);
    gap->first +=
        !gap->is_other && first_choice(&want[0]) == first_choice(&got[0]);
}

bool gap_is_within(const struct gap *gap, double bound)
{
    return gap->same == gap->n ||
           (!gap->is_other && bound > 0 && gap->most <= bound * gap->largest);
}

/* ---- judging ------------------------------------------------------------- */

/* What rounding alone may change; sparse drops values, so it has none. */
static double bound_of(const struct verdict *v, size_t link)
{
    const struct chain_seen *seen = chain_seen(v->chain, link);
    const struct codec *codec = &v->links[link].codec;

    return codec->keep > 0 || !(seen->least <= seen->most)
               ? INFINITY
               : codec_error(codec, seen->least, seen->most);
}

static bool is_link_good(const struct verdict *v, size_t link)
{
    return chain_seen(v->chain, link)->changed <= bound_of(v, link);
}

static bool are_shards_good(const struct verdict *v)
{
    if (!v->has_chain || v->likeness == ALIKE_LOSSY) {
        return true;
    }
    return gap_is_within(&v->shards,
                         v->likeness == ALIKE_NEAR ? ALIKE_NEAR_BOUND : 0);
}

bool verdict_is_good(const struct verdict *v)
{
    bool good = gap_is_within(&v->cluster, v->within) && are_shards_good(v);

    for (size_t i = 0; v->has_chain && i < v->n_links; i++) {
        good = good && is_link_good(v, i);
    }
    return good;
}

/* ---- for programs -------------------------------------------------------- */

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *gap_json(const struct gap *gap)
{
    return json_pack("{s:I,s:I,s:I,s:o,s:o}", "inputs", (json_int_t)gap->n,
                     "same_bits", (json_int_t)gap->same, "same_first_choice",
                     (json_int_t)gap->first, "largest_difference",
                     number(gap->is_other ? INFINITY : gap->most),
                     "largest_value", number(gap->largest));
}

static const char *end_of(const struct verdict *v, int shard)
{
    return shard == CHAIN_OUTSIDE ? "gateway" : v->spec->shards[shard]->name;
}

static json_t *link_json(const struct verdict *v, size_t i)
{
    const struct chain_seen *seen = chain_seen(v->chain, i);
    char text[CODEC_TEXT];

    return json_pack("{s:o,s:o,s:s,s:I,s:I,s:o,s:o}", "from",
                     show_json(end_of(v, v->links[i].from)), "to",
                     show_json(end_of(v, v->links[i].to)), "codec",
                     codec_text(&v->links[i].codec, text), "bytes",
                     (json_int_t)seen->bytes, "plain_bytes",
                     (json_int_t)seen->plain, "largest_change",
                     number(seen->changed), "bound", number(bound_of(v, i)));
}

/* In the order that they come in, the last answer last. */
static size_t exit_at(const struct verdict *v, size_t i)
{
    return i < v->n_exits ? i + 1 : 0;
}

static json_t *exits_json(const struct verdict *v)
{
    json_t *exits = json_array();

    for (size_t i = 0; v->n_exits > 0 && i <= v->n_exits; i++) {
        size_t k = exit_at(v, i);

        (void)json_array_append_new(
            exits, json_pack("{s:o,s:I}", "name", show_json(v->exits[k]),
                             "answers", (json_int_t)v->left[k]));
    }
    return exits;
}

static int print_json(const struct verdict *v, struct err *err)
{
    json_t *links = json_array();

    for (size_t i = 0; v->has_chain && i < v->n_links; i++) {
        if (!codec_is_plain(&v->links[i].codec)) {
            (void)json_array_append_new(links, link_json(v, i));
        }
    }
    return show_json_line(
        json_pack("{s:o,s:o,s:b,s:f,s:o,s:o,s:o,s:o,s:o}", "deployment",
                  show_json(v->deployment), "model", show_json(v->model), "ok",
                  verdict_is_good(v), "within", v->within, "cluster",
                  gap_json(&v->cluster), "shards",
                  v->has_chain ? gap_json(&v->shards) : json_null(), "loss",
                  v->has_chain ? gap_json(&v->loss) : json_null(), "links",
                  links, "exits", exits_json(v)),
        err);
}

/* ---- for people ---------------------------------------------------------- */

static void print_gap(const char *what, const struct gap *gap, double bound,
                      bool is_bound)
{
    (void)printf("%-43s", what);
    if (gap->same == gap->n) {
        (void)printf("the same bits for all %zu inputs\n", gap->n);
        return;
    }
    if (gap->is_other) {
        (void)puts("an answer of another type or shape");
        return;
    }
    (void)printf("largest difference %.3g, of values up to %.3g", gap->most,
                 gap->largest);
    if (is_bound && bound > 0) {
        (void)printf("; bound %.3g", bound * gap->largest);
    } else if (is_bound) {
        (void)printf("; %zu of %zu are the same bits", gap->same, gap->n);
    }
    (void)printf("; %zu of %zu first choices are the same%s\n", gap->first,
                 gap->n,
                 is_bound && !gap_is_within(gap, bound) ? "  WRONG" : "");
}

static void print_links(const struct ctl *ctl, const struct verdict *v)
{
    static const struct table_column columns[] = {
        {"LINK", false},   {"CODEC", false},         {"BYTES", true},
        {"OF FP32", true}, {"LARGEST CHANGE", true}, {"BOUND", true},
    };
    struct table *table = table_new(ctl, columns, 6);

    for (size_t i = 0; i < v->n_links; i++) {
        const struct chain_seen *seen = chain_seen(v->chain, i);
        double bound = bound_of(v, i);
        char number_text[SHOW_NUMBER];
        char text[CODEC_TEXT];

        if (codec_is_plain(&v->links[i].codec)) {
            continue;
        }
        table_row(table);
        table_text(table, 0, "%s -> %s", end_of(v, v->links[i].from),
                   end_of(v, v->links[i].to));
        table_text(table, 1, "%s", codec_text(&v->links[i].codec, text));
        table_text(table, 2, "%s",
                   show_bytes((double)seen->bytes / (double)v->cluster.n,
                              number_text));
        table_text(table, 3, "%.1f%%",
                   100 * (double)seen->bytes / (double)seen->plain);
        table_text(table, 4, "%.3g", seen->changed);
        if (isfinite(bound)) {
            table_text(table, 5, "%.3g", bound);
        } else {
            table_text(table, 5, "-");
        }
    }
    table_print(table);
}

static void print_exits(const struct verdict *v)
{
    (void)printf("left at");
    for (size_t i = 0; i <= v->n_exits; i++) {
        size_t k = exit_at(v, i);
        char *name = show_copy(v->exits[k]);

        (void)printf("%s %s: %zu", i > 0 ? "," : "", name != NULL ? name : "",
                     v->left[k]);
        mem_free(name);
    }
    (void)puts("");
}

static void print_text(const struct ctl *ctl, const struct verdict *v)
{
    if (v->n_exits > 0) {
        print_exits(v);
    }
    print_gap(v->has_chain ? "cluster against its shards in one process:"
                           : "cluster against the model in one process:",
              &v->cluster, v->within, true);
    if (v->has_chain) {
        print_gap("those without codecs against the model:", &v->shards,
                  v->likeness == ALIKE_NEAR ? ALIKE_NEAR_BOUND : 0,
                  v->likeness != ALIKE_LOSSY);
    }
    if (v->has_chain && (v->is_coded || v->likeness == ALIKE_LOSSY)) {
        print_gap("cluster against the model:", &v->loss, 0, false);
    }
    if (v->is_coded) {
        print_links(ctl, v);
    }
    (void)puts(verdict_is_good(v) ? "good" : "NOT GOOD");
}

int verdict_print(const struct ctl *ctl, const struct verdict *v,
                  struct err *err)
{
    if (ctl->format == CTL_JSON) {
        return print_json(v, err);
    }
    print_text(ctl, v);
    return 0;
}
