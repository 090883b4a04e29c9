#include "coordinator/ctl/tally.h"

#include "base/mem.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- counting ----------------------------------------------------------- */

static struct tally_replica *replica_of(struct tally *tally,
                                        const Edged__Hop *hop)
{
    struct tally_replica *r;

    for (size_t i = 0; i < tally->n_replicas; i++) {
        r = &tally->replicas[i];
        if (strncmp(r->shard, hop->shard, LIMIT_NAME) == 0 &&
            strncmp(r->node, hop->node, LIMIT_NAME) == 0) {
            return r;
        }
    }
    if (mem_grow(&tally->replicas, &tally->replicas_room, tally->n_replicas,
                 sizeof(*tally->replicas)) < 0) {
        return NULL;
    }
    r = &tally->replicas[tally->n_replicas++];
    *r = (struct tally_replica){.requests = 0};
    (void)snprintf(r->shard, sizeof(r->shard), "%s", hop->shard);
    (void)snprintf(r->node, sizeof(r->node), "%s", hop->node);
    return r;
}

int tally_add(struct tally *tally, uint64_t took_us,
              const Edged__Answer *answer)
{
    if (mem_grow(&tally->took_us, &tally->took_room, tally->n_took,
                 sizeof(*tally->took_us)) < 0) {
        return EDGE_ENOMEM;
    }
    tally->took_us[tally->n_took++] =
        took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
    tally->answered++;
    tally->resent += answer->resent;
    for (size_t i = 0; i < answer->n_hops; i++) {
        const Edged__Hop *hop = answer->hops[i];
        struct tally_replica *r = replica_of(tally, hop);

        if (r == NULL) {
            return EDGE_ENOMEM;
        }
        r->requests++;
        r->compute_us += hop->compute_us;
        r->queue_us += hop->queue_us;
        r->wire_us += hop->wire_us;
    }
    return 0;
}

void tally_deinit(struct tally *tally)
{
    mem_free(tally->took_us);
    mem_free(tally->replicas);
    *tally = (struct tally){.answered = 0};
}

static int by_time(const void *left, const void *right)
{
    const uint32_t *a = left;
    const uint32_t *b = right;

    return *a < *b ? -1 : *a > *b;
}

double tally_quantile(struct tally *tally, double part)
{
    double rank = ceil(part * (double)tally->n_took);
    size_t index = rank > 1 ? (size_t)rank - 1 : 0;

    if (tally->n_took == 0) {
        return 0;
    }
    qsort(tally->took_us, tally->n_took, sizeof(*tally->took_us), by_time);
    return tally->took_us[index < tally->n_took ? index : tally->n_took - 1] /
           1e3;
}

/* ---- printing ----------------------------------------------------------- */

/* "s10" comes after "s9". */
static int by_name(const void *left, const void *right)
{
    const struct tally_replica *a = left;
    const struct tally_replica *b = right;
    int order = strverscmp(a->shard, b->shard);

    return order != 0 ? order : strverscmp(a->node, b->node);
}

/* Of the answers that the replica's shard took part in. */
static double share_of(const struct tally *tally, const struct tally_replica *r)
{
    uint64_t all = 0;

    for (size_t i = 0; i < tally->n_replicas; i++) {
        if (strcmp(tally->replicas[i].shard, r->shard) == 0) {
            all += tally->replicas[i].requests;
        }
    }
    return (double)r->requests / (double)all;
}

static double mean_ms(uint64_t us, const struct tally_replica *r)
{
    return (double)us / (double)r->requests / 1e3;
}

static double rate_of(const struct tally *tally)
{
    return tally->seconds > 0 ? (double)tally->answered / tally->seconds : 0;
}

static json_t *replica_json(const struct tally *tally,
                            const struct tally_replica *r)
{
    return json_pack(
        "{s:o,s:o,s:I,s:f,s:f,s:f,s:f}", "shard", show_json(r->shard), "node",
        show_json(r->node), "requests", (json_int_t)r->requests, "share",
        share_of(tally, r), "compute_ms", mean_ms(r->compute_us, r), "queue_ms",
        mean_ms(r->queue_us, r), "wire_ms", mean_ms(r->wire_us, r));
}

static int print_json(const char *deployment, struct tally *tally,
                      struct err *err)
{
    json_t *replicas = json_array();
    json_t *latency =
        json_pack("{s:f,s:f,s:f,s:f}", "p50", tally_quantile(tally, 0.5), "p90",
                  tally_quantile(tally, 0.9), "p99",
                  tally_quantile(tally, 0.99), "max", tally_quantile(tally, 1));

    for (size_t i = 0; i < tally->n_replicas; i++) {
        (void)json_array_append_new(replicas,
                                    replica_json(tally, &tally->replicas[i]));
    }
    return show_json_line(
        json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:o,s:o}", "deployment",
                  show_json(deployment), "answered",
                  (json_int_t)tally->answered, "failed",
                  (json_int_t)tally->failed, "wrong", (json_int_t)tally->wrong,
                  "repeated", (json_int_t)tally->repeated, "incomplete",
                  (json_int_t)tally->incomplete, "resent",
                  (json_int_t)tally->resent, "seconds", tally->seconds, "rate",
                  rate_of(tally), "latency_ms", latency, "replicas", replicas),
        err);
}

static void print_replicas(const struct ctl *ctl, const struct tally *tally)
{
    static const struct table_column columns[] = {
        {"SHARD", false}, {"NODE", false},      {"REQUESTS", true},
        {"SHARE", true},  {"COMPUTE ms", true}, {"QUEUE ms", true},
        {"WIRE ms", true}};
    struct table *table = table_new(ctl, columns, 7);

    for (size_t i = 0; i < tally->n_replicas; i++) {
        const struct tally_replica *r = &tally->replicas[i];
        char *node = show_copy(r->node);

        table_row(table);
        table_text(table, 0, "%s", r->shard);
        table_text(table, 1, "%s", node != NULL ? node : "?");
        table_text(table, 2, "%llu", (unsigned long long)r->requests);
        table_text(table, 3, "%.0f%%", 100 * share_of(tally, r));
        table_text(table, 4, "%.2f", mean_ms(r->compute_us, r));
        table_text(table, 5, "%.2f", mean_ms(r->queue_us, r));
        table_text(table, 6, "%.2f", mean_ms(r->wire_us, r));
        mem_free(node);
    }
    table_print(table);
}

int tally_print(const struct ctl *ctl, const char *deployment,
                struct tally *tally, struct err *err)
{
    if (tally->n_replicas > 0) {
        qsort(tally->replicas, tally->n_replicas, sizeof(*tally->replicas),
              by_name);
    }
    if (ctl->format == CTL_JSON) {
        return print_json(deployment, tally, err);
    }
    (void)printf(
        "%s  %llu answered, %llu failed, %llu wrong, %llu answered "
        "twice; %llu hops sent again\n",
        deployment, (unsigned long long)tally->answered,
        (unsigned long long)tally->failed, (unsigned long long)tally->wrong,
        (unsigned long long)tally->repeated, (unsigned long long)tally->resent);
    if (tally->incomplete > 0) {
        (void)printf("%llu answered without some view\n",
                     (unsigned long long)tally->incomplete);
    }
    (void)printf("%.1f requests/s over %.1f s; p50 %.1f ms, p90 %.1f ms, p99 "
                 "%.1f ms, max %.1f ms\n",
                 rate_of(tally), tally->seconds, tally_quantile(tally, 0.5),
                 tally_quantile(tally, 0.9), tally_quantile(tally, 0.99),
                 tally_quantile(tally, 1));
    print_replicas(ctl, tally);
    return 0;
}
