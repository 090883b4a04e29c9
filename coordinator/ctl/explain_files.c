/* A plan as files for other programs: cluster.yaml, Graphviz. */
#include "coordinator/ctl/explain.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

/* ---- cluster.yaml -------------------------------------------------------- */

static char *keep(struct cluster *cluster, const char *text)
{
    return pool_text(&cluster->pool, text, strlen(text));
}

static char **keep_names(struct cluster *cluster, const Edged__PlanPart *part)
{
    char **names = pool_alloc(&cluster->pool, part->n_nodes, sizeof(char *));

    for (size_t i = 0; i < part->n_nodes && names != NULL; i++) {
        names[i] = keep(cluster, part->nodes[i]);
        if (names[i] == NULL) {
            return NULL;
        }
    }
    return names;
}

static enum cluster_axis axis_of(const char *name)
{
    return strcmp(name, "input") == 0  ? CLUSTER_AXIS_INPUT
           : strcmp(name, "pair") == 0 ? CLUSTER_AXIS_PAIR
                                       : CLUSTER_AXIS_OUTPUT;
}

static enum cluster_halo halo_of(const char *name)
{
    return strcmp(name, "exchange") == 0 ? CLUSTER_HALO_EXCHANGE
           : strcmp(name, "none") == 0   ? CLUSTER_HALO_NONE
                                         : CLUSTER_HALO_RECOMPUTE;
}

/* What the plan says nothing of, a codec say, stays as it was written. */
static int pin_stage(struct cluster *cluster, struct cluster_stage *stage,
                     const Edged__PlanPart *part)
{
    char **names = keep_names(cluster, part);

    stage->name = keep(cluster, part->name);
    stage->first = keep(cluster, part->first);
    stage->last = keep(cluster, part->last);
    if (names == NULL || stage->name == NULL || stage->first == NULL ||
        stage->last == NULL) {
        return EDGE_ENOMEM;
    }
    if (strcmp(part->kind, "split") == 0) {
        stage->split.axis = axis_of(part->axis);
        stage->split.parts = part->columns;
        stage->split.over = names;
        stage->split.n_over = part->n_nodes;
    } else if (strcmp(part->kind, "tile") == 0) {
        stage->tile.halo = halo_of(part->halo);
        stage->tile.rows = part->rows;
        stage->tile.columns = part->columns;
        stage->tile.over = names;
        stage->tile.n_over = part->n_nodes;
    } else {
        stage->replicas = names;
        stage->n_replicas = part->n_nodes;
    }
    return 0;
}

static int pin_stages(struct cluster *cluster, const Edged__PlanShape *best)
{
    struct cluster_stage *stages =
        pool_alloc(&cluster->pool, best->n_stages, sizeof(*stages));

    for (size_t i = 0; i < best->n_stages && stages != NULL; i++) {
        if (i < cluster->n_stages) {
            stages[i] = cluster->stages[i];
        }
        if (pin_stage(cluster, &stages[i], best->stages[i]) < 0) {
            return EDGE_ENOMEM;
        }
    }
    cluster->stages = stages;
    cluster->n_stages = best->n_stages;
    return stages == NULL ? EDGE_ENOMEM : 0;
}

int explain_yaml(struct cluster *cluster, const Edged__PlanReport *report,
                 const Edged__PlanExplain *explain, struct err *err)
{
    char hex[65] = "";

    if (report->model.len == 32) {
        bytes_to_hex(report->model.data, 32, hex);
        cluster->model.sha256 = keep(cluster, hex);
    }
    if (pin_stages(cluster, explain->best) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    (void)printf("# Plan %llu of %s with every choice written down: %.3g "
                 "ms/request, %.3g\n# requests/s predicted. Paths start at "
                 "the folder of this file.\n",
                 (unsigned long long)report->number, report->deployment,
                 explain->best->latency_ms, explain->best->throughput);
    cluster_write(cluster, stdout);
    return 0;
}

/* ---- Graphviz ------------------------------------------------------------ */

static void print_quoted(const char *text)
{
    (void)fputc('"', stdout);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            (void)fputc('\\', stdout);
        }
        (void)fputc(*text, stdout);
    }
    (void)fputc('"', stdout);
}

static void print_label(const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("\"\\<>{}|", *text) != NULL) {
            (void)fputc('\\', stdout);
        }
        (void)fputc(*text, stdout);
    }
}

static void dot_shard(const Edged__PlanStage *stage)
{
    (void)printf("  ");
    print_quoted(stage->name);
    (void)printf(" [shape=record, label=\"{");
    print_label(stage->name);
    (void)printf("|");
    print_label(stage->first);
    (void)printf(" .. ");
    print_label(stage->last);
    (void)printf("|%.1f MiB|",
                 (double)(stage->weight_bytes + stage->arena_bytes) / 1048576);
    for (size_t i = 0; i < stage->n_nodes; i++) {
        (void)printf("%s", i > 0 ? ", " : "");
        print_label(stage->nodes[i]);
    }
    (void)printf("}\"];\n");
}

static void dot_link(const Edged__PlanLink *link)
{
    (void)printf("  ");
    print_quoted(link->from);
    (void)printf(" -> ");
    print_quoted(link->to);
    (void)printf(" [label=\"%.1f KiB%s%s\"];\n", (double)link->bytes / 1024,
                 link->codec[0] != '\0' ? " " : "", link->codec);
}

void explain_dot(const Edged__PlanReport *report,
                 const Edged__PlanExplain *explain)
{
    (void)printf("digraph ");
    print_quoted(report->deployment);
    (void)printf(" {\n  rankdir=LR;\n  \"gateway\" [shape=oval];\n");
    for (size_t i = 0; i < report->n_stages; i++) {
        dot_shard(report->stages[i]);
    }
    for (size_t i = 0; i < explain->n_links; i++) {
        dot_link(explain->links[i]);
    }
    (void)printf("}\n");
}
