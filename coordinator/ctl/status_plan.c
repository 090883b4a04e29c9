/* edgectl status --plan: what was predicted, beside what is measured. */
#include "coordinator/ctl/status.h"

#include "coordinator/ctl/table.h"

#include <stdio.h>

#define KIB_OF(bytes) ((double)(bytes) / 1024)

/* "-" for what is not known. */
static void number(struct table *table, size_t column, const char *format,
                   double value)
{
    char text[32];

    (void)snprintf(text, sizeof(text), format, value);
    table_text(table, column, "%s", value > 0 ? text : "-");
}

static void replica_row(struct table *table, const Edged__StageStatus *stage,
                        const Edged__ReplicaStatus *r)
{
    double measured = r->compute_us / 1e3;

    table_row(table);
    table_text(table, 0, "%s", stage->name);
    table_text(table, 1, "%s", r->node);
    number(table, 2, "%.2f", r->predicted_ms);
    number(table, 3, "%.2f", measured);
    number(table, 4, "%.2f",
           r->predicted_ms > 0 ? measured / r->predicted_ms : 0);
    table_text(table, 5, "%.1f", KIB_OF(stage->link_bytes));
    number(table, 6, "%.1f",
           r->runs > 0 ? KIB_OF(r->sent_bytes) / (double)r->runs : 0);
}

static void print_heads(const Edged__DeploymentStatus *d)
{
    char alone[64] = "not measured: none came while none was under way";

    if (d->alone_ms > 0) {
        (void)snprintf(alone, sizeof(alone), "measured %.2f ms", d->alone_ms);
    }
    (void)printf("%s  generation %u\n", d->name, d->generation);
    (void)printf("one request alone: predicted %.2f ms, %s\n", d->predicted_ms,
                 alone);
    (void)printf("rate: predicted %.3g/s at most, measured %.3g/s lately, with "
                 "%u under way now\n",
                 d->predicted_rate, d->rate, d->in_flight);
}

/* What is not as predicted, and what was done about it. */
static void print_drift(const Edged__DeploymentStatus *d)
{
    if (d->drift[0] != '\0') {
        (void)printf("drift: %s\n", d->drift);
    }
    if (d->replan[0] != '\0') {
        (void)printf("plan: %s\n", d->replan);
    }
    if (d->replans > 0) {
        (void)printf("planned again %u times, and went back %u times\n",
                     d->replans, d->rollbacks);
    }
}

void status_print_plan(const struct ctl *ctl, const Edged__DeploymentStatus *d)
{
    static const struct table_column columns[] = {
        {"STAGE", false},      {"NODE", false}, {"PREDICTED ms", true},
        {"MEASURED ms", true}, {"RATIO", true}, {"PREDICTED KiB", true},
        {"MEASURED KiB", true}};
    struct table *table;

    if (d->n_stages == 0) {
        (void)printf("%s  generation %u  nothing is in force yet\n", d->name,
                     d->generation);
        return;
    }
    print_heads(d);
    table = table_new(ctl, columns, 7);
    for (size_t i = 0; i < d->n_stages; i++) {
        for (size_t k = 0; k < d->stages[i]->n_replicas; k++) {
            replica_row(table, d->stages[i], d->stages[i]->replicas[k]);
        }
    }
    table_print(table);
    print_drift(d);
}
