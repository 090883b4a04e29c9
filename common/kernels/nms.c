#include "kernels/nms.h"

struct corners {
    float y1;
    float x1;
    float y2;
    float x2;
};

size_t nms_scratch(const struct nms *n)
{
    return (size_t)n->boxes * sizeof(int64_t);
}

static struct corners corners_of(const struct nms *n, const float *box)
{
    struct corners c;

    if (n->centered) {
        c.x1 = box[0] - box[2] / 2;
        c.x2 = box[0] + box[2] / 2;
        c.y1 = box[1] - box[3] / 2;
        c.y2 = box[1] + box[3] / 2;
        return c;
    }
    c.y1 = box[0] < box[2] ? box[0] : box[2];
    c.y2 = box[0] < box[2] ? box[2] : box[0];
    c.x1 = box[1] < box[3] ? box[1] : box[3];
    c.x2 = box[1] < box[3] ? box[3] : box[1];
    return c;
}

static float area(const struct corners *c)
{
    return (c->y2 - c->y1) * (c->x2 - c->x1);
}

static bool overlaps(const struct nms *n, const float *box_a,
                     const float *box_b)
{
    struct corners a = corners_of(n, box_a);
    struct corners b = corners_of(n, box_b);
    struct corners both;
    float shared;
    float total;

    both.y1 = a.y1 > b.y1 ? a.y1 : b.y1;
    both.x1 = a.x1 > b.x1 ? a.x1 : b.x1;
    both.y2 = a.y2 < b.y2 ? a.y2 : b.y2;
    both.x2 = a.x2 < b.x2 ? a.x2 : b.x2;
    if (both.y2 <= both.y1 || both.x2 <= both.x1) {
        return false;
    }
    shared = area(&both);
    total = area(&a) + area(&b) - shared;
    return total > 0 && shared / total > n->overlap;
}

/* ---- candidates by score: a heap with the best at its root ------------------
 */

static bool is_better(const float *scores, int64_t a, int64_t b)
{
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

static void sift(int64_t *heap, int64_t n, int64_t i, const float *scores)
{
    for (int64_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        int64_t moved = heap[i];

        if (child + 1 < n && is_better(scores, heap[child + 1], heap[child])) {
            child++;
        }
        if (!is_better(scores, heap[child], moved)) {
            return;
        }
        heap[i] = heap[child];
        heap[child] = moved;
        i = child;
    }
}

static int64_t collect(const struct nms *n, int64_t *heap, const float *scores)
{
    int64_t count = 0;

    for (int64_t i = 0; i < n->boxes; i++) {
        if (!n->has_floor || scores[i] > n->floor) {
            heap[count++] = i;
        }
    }
    for (int64_t i = count / 2 - 1; i >= 0; i--) {
        sift(heap, count, i, scores);
    }
    return count;
}

/* ---- one class
 * --------------------------------------------------------------- */

static bool stays(const struct nms *n, const int64_t *rows, int64_t n_rows,
                  const float *boxes, int64_t box)
{
    for (int64_t i = 0; i < n_rows; i++) {
        if (overlaps(n, boxes + box * 4, boxes + rows[i * 3 + 2] * 4)) {
            return false;
        }
    }
    return true;
}

static int64_t run_class(const struct nms *n, int64_t *rows, int64_t batch,
                         int64_t class, const float *boxes, const float *scores,
                         int64_t *heap)
{
    int64_t left = collect(n, heap, scores);
    int64_t n_rows = 0;

    while (left > 0 && n_rows < n->per_class) {
        int64_t box = heap[0];

        heap[0] = heap[--left];
        sift(heap, left, 0, scores);
        if (stays(n, rows, n_rows, boxes, box)) {
            rows[n_rows * 3] = batch;
            rows[n_rows * 3 + 1] = class;
            rows[n_rows * 3 + 2] = box;
            n_rows++;
        }
    }
    return n_rows;
}

int64_t nms_run(const struct nms *n, int64_t *out, const float *boxes,
                const float *scores, void *scratch)
{
    int64_t rows = 0;

    for (int64_t b = 0; b < n->batches; b++) {
        for (int64_t c = 0; c < n->classes; c++) {
            rows +=
                run_class(n, out + rows * 3, b, c, boxes + b * n->boxes * 4,
                          scores + (b * n->classes + c) * n->boxes, scratch);
        }
    }
    return rows;
}
