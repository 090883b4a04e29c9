/*
 * Maps as their Haar wavelets (Haar 1910; Mallat 1989, "A theory for
 * multiresolution signal decomposition"): sums and differences of neighbours,
 * each by 1 / sqrt(2), of rows and of columns, then of the quarter that has the
 * sums, and so on. What is alike side by side is in a few sums. Orthonormal, so
 * the way back is the transpose, and no energy is lost or gained. The last one
 * of an odd line has no neighbour and stays as it is, among the sums.
 */
#include "base/mem.h"
#include "codec/inner.h"

#include <string.h>

#define HALF_ROOT 0.70710678118654752F

struct maps {
    size_t count;
    size_t rows;
    size_t columns;
};

static struct maps maps_of(const struct shape *shape)
{
    struct maps m = {1, 1, 1};

    if (shape->rank < 3) {
        return (struct maps){0, 0, 0};
    }
    for (int i = 0; i < shape->rank; i++) {
        size_t *to = i == shape->rank - 1             ? &m.columns
                     : i == shape->rank - 2 && i >= 2 ? &m.rows
                                                      : &m.count;

        *to *= (size_t)shape->dims[i];
    }
    return m;
}

/* Room for a line. */
static float *line_of(const struct maps *m)
{
    size_t n = m->rows > m->columns ? m->rows : m->columns;

    return mem_zalloc(n + 1, sizeof(float));
}

/* `n` values, `step` apart. */
static void split(float *x, size_t n, size_t step, float *line)
{
    size_t sums = (n + 1) / 2;

    for (size_t i = 0; i < n / 2; i++) {
        float a = x[2 * i * step];
        float b = x[(2 * i + 1) * step];

        line[i] = (a + b) * HALF_ROOT;
        line[sums + i] = (a - b) * HALF_ROOT;
    }
    if (n % 2 != 0) {
        line[sums - 1] = x[(n - 1) * step];
    }
    for (size_t i = 0; i < n; i++) {
        x[i * step] = line[i];
    }
}

static void join(float *x, size_t n, size_t step, float *line)
{
    size_t sums = (n + 1) / 2;

    for (size_t i = 0; i < n; i++) {
        line[i] = x[i * step];
    }
    for (size_t i = 0; i < n / 2; i++) {
        x[2 * i * step] = (line[i] + line[sums + i]) * HALF_ROOT;
        x[(2 * i + 1) * step] = (line[i] - line[sums + i]) * HALF_ROOT;
    }
    if (n % 2 != 0) {
        x[(n - 1) * step] = line[sums - 1];
    }
}

static void split_map(float *x, const struct maps *m, float *line)
{
    size_t rows = m->rows;
    size_t columns = m->columns;

    while (rows > 1 || columns > 1) {
        for (size_t r = 0; r < rows; r++) {
            split(x + r * m->columns, columns, 1, line);
        }
        for (size_t c = 0; c < columns; c++) {
            split(x + c, rows, m->columns, line);
        }
        rows = (rows + 1) / 2;
        columns = (columns + 1) / 2;
    }
}

/* Length of the sums of the sums ... `level` times. */
static size_t at_level(size_t n, unsigned level)
{
    while (level-- > 0) {
        n = (n + 1) / 2;
    }
    return n;
}

static void join_map(float *x, const struct maps *m, float *line)
{
    unsigned levels = 0;

    while (at_level(m->rows, levels) > 1 || at_level(m->columns, levels) > 1) {
        levels++;
    }
    while (levels-- > 0) {
        size_t rows = at_level(m->rows, levels);
        size_t columns = at_level(m->columns, levels);

        for (size_t c = 0; c < columns; c++) {
            join(x + c, rows, m->columns, line);
        }
        for (size_t r = 0; r < rows; r++) {
            join(x + r * m->columns, columns, 1, line);
        }
    }
}

float *haar_of(const float *values, const struct shape *shape)
{
    struct maps m = maps_of(shape);
    size_t n = (size_t)shape_count(shape);
    float *line = line_of(&m);
    float *waves = mem_zalloc(n + 1, sizeof(*waves));

    if (line == NULL || waves == NULL) {
        mem_free(line);
        mem_free(waves);
        return NULL;
    }
    memcpy(waves, values, n * sizeof(*waves));
    for (size_t i = 0; i < m.count && n > 0; i++) {
        split_map(waves + i * m.rows * m.columns, &m, line);
    }
    mem_free(line);
    return waves;
}

static void weigh_map(float *x, const struct maps *m)
{
    size_t rows = m->rows;
    size_t columns = m->columns;

    while (rows > 1 || columns > 1) {
        rows = (rows + 1) / 2;
        columns = (columns + 1) / 2;
        for (size_t r = 0; r < rows; r++) {
            for (size_t c = 0; c < columns; c++) {
                x[r * m->columns + c] *= 2;
            }
        }
    }
}

float *haar_weighed(const float *waves, const struct shape *shape)
{
    struct maps m = maps_of(shape);
    size_t n = (size_t)shape_count(shape);
    float *weighed = mem_zalloc(n + 1, sizeof(*weighed));

    if (weighed == NULL) {
        return NULL;
    }
    memcpy(weighed, waves, n * sizeof(*weighed));
    for (size_t i = 0; i < m.count && n > 0; i++) {
        weigh_map(weighed + i * m.rows * m.columns, &m);
    }
    return weighed;
}

int haar_undo(float *waves, const struct shape *shape)
{
    struct maps m = maps_of(shape);
    float *line = line_of(&m);

    if (line == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < m.count && m.rows * m.columns > 0; i++) {
        join_map(waves + i * m.rows * m.columns, &m, line);
    }
    mem_free(line);
    return 0;
}
