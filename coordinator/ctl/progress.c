#include "coordinator/ctl/progress.h"

#include "coordinator/ctl/color.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define BAR 20
#define DRAW_MS 50 /* between two drawings */
#define MIB_OF(bytes) ((double)(bytes) / 1048576)

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_init(struct progress *p, const struct ctl *ctl)
{
    *p = (struct progress){.how = ctl->progress, .started_ms = now_ms()};
    if (p->how == CTL_PROGRESS_AUTO) {
        p->how = ctl->quiet                   ? CTL_PROGRESS_NONE
                 : color_has_terminal(stderr) ? CTL_PROGRESS_BAR
                                              : CTL_PROGRESS_PLAIN;
    }
}

/* What is known of a node in this phase; NULL: no room for more. */
static struct progress_node *note(struct progress *p, const char *node,
                                  uint64_t done, uint64_t total)
{
    struct progress_node *n = p->nodes;

    while (n < p->nodes + p->n_nodes && strcmp(n->name, node) != 0) {
        n++;
    }
    if (n == p->nodes + PROGRESS_NODES) {
        return NULL;
    }
    if (n == p->nodes + p->n_nodes) {
        *n = (struct progress_node){.said = 0};
        (void)snprintf(n->name, sizeof(n->name), "%s", node);
        p->n_nodes++;
    }
    n->done = done;
    n->total = total;
    return n;
}

/* True if a phase begins. */
static bool turn(struct progress *p, const char *phase)
{
    if (strcmp(p->phase, phase) == 0) {
        return false;
    }
    (void)snprintf(p->phase, sizeof(p->phase), "%s", phase);
    p->n_nodes = 0;
    p->started_ms = now_ms();
    p->drawn_ms = 0;
    return true;
}

static void draw_bar(const struct progress *p, uint64_t done, uint64_t total)
{
    double share = total > 0 ? (double)done / (double)total : 0;
    double seconds = (double)(now_ms() - p->started_ms) / 1e3;
    double rate = seconds > 0 ? MIB_OF(done) / seconds : 0;
    double left = rate > 0 ? MIB_OF(total - done) / rate : 0;
    char bar[BAR + 1];
    char who[24];

    for (int i = 0; i < BAR; i++) {
        bar[i] = i < (int)(share * BAR) ? '#' : '-';
    }
    bar[BAR] = '\0';
    if (p->n_nodes == 1) {
        (void)snprintf(who, sizeof(who), "%.20s", p->nodes[0].name);
    } else {
        (void)snprintf(who, sizeof(who), "%zu nodes", p->n_nodes);
    }
    (void)fprintf(stderr,
                  "\r\033[K%s %-10s [%s] %3.0f%%  %.1f/%.1f MiB  %.1f MiB/s  "
                  "ETA %.0fs",
                  p->phase, who, bar, share * 100, MIB_OF(done), MIB_OF(total),
                  rate, left);
}

static void draw(struct progress *p, bool is_new, const char *node,
                 uint64_t done, uint64_t total)
{
    uint64_t all_done = 0;
    uint64_t all = 0;

    if (total == 0 && is_new) {
        (void)fprintf(stderr, "\r\033[K%s ...", p->phase);
        p->drawn = true;
    }
    if (total == 0 || note(p, node, done, total) == NULL) {
        return;
    }
    for (size_t i = 0; i < p->n_nodes; i++) {
        all_done += p->nodes[i].done;
        all += p->nodes[i].total;
    }
    if (all_done < all && now_ms() - p->drawn_ms < DRAW_MS) {
        return;
    }
    draw_bar(p, all_done, all);
    p->drawn_ms = now_ms();
    p->drawn = true;
}

static void say(struct progress *p, bool is_new, const char *node,
                uint64_t done, uint64_t total)
{
    struct progress_node *n;

    if (is_new) {
        (void)fprintf(stderr, "%s\n", p->phase);
    }
    n = total > 0 ? note(p, node, done, total) : NULL;
    if (n != NULL && (int)(done * 4 / total) > n->said) {
        n->said = (int)(done * 4 / total);
        (void)fprintf(stderr, "%s %s %d%% %.1f/%.1f MiB\n", p->phase, node,
                      n->said * 25, MIB_OF(done), MIB_OF(total));
    }
}

void progress_step(struct progress *p, const char *phase, const char *node,
                   uint64_t done, uint64_t total)
{
    bool is_new = turn(p, phase);

    switch (p->how) {
    case CTL_PROGRESS_BAR: draw(p, is_new, node, done, total); break;
    case CTL_PROGRESS_PLAIN: say(p, is_new, node, done, total); break;
    case CTL_PROGRESS_JSON:
        (void)fprintf(stderr,
                      "{\"phase\": \"%s\", \"node\": \"%s\", \"done\": %llu, "
                      "\"total\": %llu}\n",
                      phase, node, (unsigned long long)done,
                      (unsigned long long)total);
        break;
    default: break;
    }
}

void progress_end(struct progress *p)
{
    if (p->drawn) {
        (void)fprintf(stderr, "\r\033[K");
        p->drawn = false;
    }
}
