/* Where exits part stages, and who waits for which of them. */
#include "coordinator/plan/leaving.h"

#include "base/limits.h"

size_t leaving_parts(const struct leaving *leaving, int first, int end,
                     bool joins, int positions[LIMIT_PORTS])
{
    size_t n = 0;

    for (size_t i = 0; leaving != NULL && i < leaving->n; i++) {
        int at = leaving->exits[i].end;

        if ((at > first || (at == first && joins)) && at < end &&
            (n == 0 || at > positions[n - 1])) {
            positions[n++] = at;
        }
    }
    return n;
}

/* Links lead forwards, so one walk over parts in their order will do. */
static bool leads_to(const struct parts *parts, size_t from, size_t to)
{
    bool reached[LIMIT_SHARDS] = {false};

    if (from > to || to >= LIMIT_SHARDS) {
        return false;
    }
    reached[from] = true;
    for (size_t s = from; s < to; s++) {
        for (size_t i = 0; reached[s] && i < parts->n_links; i++) {
            if (parts->links[i].from == (int)s && parts->links[i].to >= 0) {
                reached[parts->links[i].to] = true;
            }
        }
    }
    return reached[to];
}

int leaving_rank(const struct parts *parts, const int *numbers, size_t i)
{
    int first = LIMIT_PORTS + 1;

    for (size_t s = i; s < parts->n; s++) {
        if (numbers[s] > 0 && numbers[s] < first && leads_to(parts, i, s)) {
            first = numbers[s];
        }
    }
    return first;
}

int leaving_after(const struct parts *parts, const int *numbers, size_t from,
                  size_t to)
{
    int rank = leaving_rank(parts, numbers, to);
    int last = 0;

    for (size_t s = from; s < parts->n; s++) {
        if (numbers[s] > last && numbers[s] < rank &&
            leads_to(parts, from, s)) {
            last = numbers[s];
        }
    }
    return last;
}
