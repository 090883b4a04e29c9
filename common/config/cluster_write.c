/* The forms in cluster.yaml that only one key has, written. */
#include "config/cluster_parts.h"
#include "config/write.h"

#include <string.h>

bool cluster_has_codec(const struct read_row *row, const void *base)
{
    const struct cluster_codec *codec =
        (const struct cluster_codec *)((const char *)base + row->offset);

    return codec->is_given;
}

void cluster_write_codec(const struct read_row *row, const void *base,
                         FILE *out)
{
    const struct cluster_codec *codec =
        (const struct cluster_codec *)((const char *)base + row->offset);
    char text[CODEC_TEXT];

    write_text(codec->is_auto ? "auto" : codec_text(&codec->codec, text), out);
}

/* Written, it would stand above what the model's metadata says. */
bool cluster_has_input(const struct read_row *row, const void *base)
{
    (void)row;
    return ((const struct cluster_model *)base)->input.is_given;
}

void cluster_write_size(const struct read_row *row, const void *base, FILE *out)
{
    const struct cluster_input *input = base;

    (void)row;
    if (input->width == 0) {
        (void)fputs("auto", out);
    } else {
        (void)fprintf(out, "%ux%u", input->width, input->height);
    }
}

void cluster_write_channels(const struct read_row *row, const void *base,
                            FILE *out)
{
    const struct cluster_input *input = base;
    float values[CLUSTER_CHANNELS];

    memcpy(values, (const char *)base + row->offset, sizeof(values));
    (void)fputc('[', out);
    for (unsigned i = 0; i < input->n; i++) {
        (void)fprintf(out, "%s%.7g", i > 0 ? ", " : "", (double)values[i]);
    }
    (void)fputc(']', out);
}

bool cluster_has_grid(const struct read_row *row, const void *base)
{
    (void)row;
    return ((const struct cluster_tile *)base)->columns > 0;
}

void cluster_write_grid(const struct read_row *row, const void *base, FILE *out)
{
    const struct cluster_tile *tile = base;

    (void)row;
    (void)fprintf(out, "%ux%u", tile->columns, tile->rows);
}

bool cluster_has_views(const struct read_row *row, const void *base)
{
    (void)row;
    return ((const struct cluster_input *)base)->columns > 0;
}

void cluster_write_views(const struct read_row *row, const void *base,
                         FILE *out)
{
    const struct cluster_input *input = base;

    (void)row;
    (void)fprintf(out, "%ux%u", input->columns, input->rows);
}

bool cluster_has_layers(const struct read_row *row, const void *base)
{
    (void)row;
    return ((const struct cluster_stage *)base)->first != NULL;
}

void cluster_write_layers(const struct read_row *row, const void *base,
                          FILE *out)
{
    const struct cluster_stage *stage = base;
    char text[2 * LIMIT_GRAPH_NAME + 3];

    (void)row;
    (void)snprintf(text, sizeof(text), "%s..%s", stage->first, stage->last);
    write_text(strcmp(stage->first, stage->last) == 0 ? stage->first : text,
               out);
}

void cluster_write_devices(const struct read_row *row, const void *base,
                           FILE *out)
{
    const struct cluster *cluster = base;

    if (cluster->devices_kind == CLUSTER_DEVICES_LOCAL) {
        (void)fprintf(out, " local %zu", cluster->n_devices);
        return;
    }
    write_items(row->table, cluster->devices, cluster->n_devices,
                sizeof(cluster->devices[0]), out);
}

void cluster_write(const struct cluster *cluster, FILE *out)
{
    write_tree(cluster_table(), cluster, out);
}
