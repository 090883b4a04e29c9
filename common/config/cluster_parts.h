/*
 * Private to cluster*.c: what the rows point to.
 */
#ifndef EDGE_CONFIG_CLUSTER_PARTS_H
#define EDGE_CONFIG_CLUSTER_PARTS_H

#include "config/cluster.h"

/* Short forms for the rows. */
#define FIELD(type, member) READ_FIELD(struct cluster_##type, member)
#define ARRAY(type, member) \
    READ_ARRAY(struct cluster_##type, member, n_##member)
#define TABLE(path, array, text) \
    .name = (path), .rows = (array), .n = READ_COUNT(array), .help = (text)

/* Of a row that takes a codec. */
#define CODEC                                                                  \
    .is_set = cluster_has_codec, .write = cluster_write_codec,                 \
    .takes =                                                                   \
        "a codec such as fp32, fp16, q16, q12, q10, q8, q6, "                  \
        "q4/channel, q4+runs, q2, bits, sparse:10%/haar+q8, any of them with " \
        "+zstd, or auto",                                                      \
    .schema = "{\"type\":\"string\",\"pattern\":\"^(auto|fp32|fp16|q(16|12|"   \
              "10|8|6|4|2)|bits|sparse)"                                       \
              "[a-z0-9:/%.+]*$\"}"

#define SPLIT_PARTS_MAX 8
#define TILED_MAX 64 /* runs of layers */

#define MINUTE_MS 60000.0
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

/* Below it a deadline passes before a silent death is noticed and made good
 * (promise P2). */
#define SLOWEST_REPLY_MS 2500

/* Own rows. */
int cluster_own_devices(struct reader *reader, const struct read_row *row,
                        const struct doc_node *node, void *base);
int cluster_own_layers(struct reader *reader, const struct read_row *row,
                       const struct doc_node *node, void *base);
int cluster_own_size(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base);
int cluster_own_channels(struct reader *reader, const struct read_row *row,
                         const struct doc_node *node, void *base);
int cluster_own_grid(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base);
int cluster_own_views(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base);
int cluster_own_codec(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base);
int cluster_own_clip(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base);

/* Those of training, in cluster_train.c. */
int cluster_own_data(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base);
int cluster_own_sync(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base);
int cluster_own_freeze(struct reader *reader, const struct read_row *row,
                       const struct doc_node *node, void *base);
bool cluster_has_data(const struct read_row *row, const void *base);
bool cluster_has_rate_key(const struct read_row *row, const void *base);
bool cluster_has_sgd(const struct read_row *row, const void *base);
void cluster_write_data(const struct read_row *row, const void *base,
                        FILE *out);
void cluster_write_sync(const struct read_row *row, const void *base,
                        FILE *out);
void cluster_write_freeze(const struct read_row *row, const void *base,
                          FILE *out);
int cluster_check_rate(struct reader *reader, const struct doc_node *node,
                       void *base);
int cluster_check_training(struct reader *reader, const struct doc_node *node,
                           void *base);

/* Lossy tiles, in cluster_lossy.c. */
int cluster_own_tiled(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base);
bool cluster_has_tiled(const struct read_row *row, const void *base);
void cluster_write_tiled(const struct read_row *row, const void *base,
                         FILE *out);
bool cluster_has_margin(const struct read_row *row, const void *base);
void cluster_write_clip(const struct read_row *row, const void *base,
                        FILE *out);
bool cluster_has_loss(const struct read_row *row, const void *base);
int cluster_own_patterns(struct reader *reader, const struct read_row *row,
                         const struct doc_node *node, void *base);
bool cluster_has_patterns(const struct read_row *row, const void *base);
int cluster_check_tile_loss(struct reader *reader, const struct doc_node *node,
                            void *base);
int cluster_check_margin(struct reader *reader, const struct doc_node *node,
                         void *base);

/* What means nothing without tiles. */
void cluster_check_lossy(struct reader *reader, const struct doc_node *training,
                         const struct cluster_training *t);

/* Views, tiers and exits, in cluster_views.c. */
bool cluster_has_rule(const struct read_row *row, const void *base);
int cluster_check_exit(struct reader *reader, const struct doc_node *node,
                       void *base);
int cluster_check_view(struct reader *reader, const struct doc_node *node,
                       void *base);
void cluster_check_views(struct reader *reader, const struct doc_node *top,
                         const struct cluster *cluster);

/* cluster_check.c: that a device has the name that `node` says. */
void cluster_check_holder(struct reader *reader, const struct cluster *cluster,
                          const struct doc_node *node);

/* The same written, cluster_write.c. */
bool cluster_has_codec(const struct read_row *row, const void *base);
void cluster_write_codec(const struct read_row *row, const void *base,
                         FILE *out);
bool cluster_has_input(const struct read_row *row, const void *base);
void cluster_write_size(const struct read_row *row, const void *base,
                        FILE *out);
void cluster_write_channels(const struct read_row *row, const void *base,
                            FILE *out);
bool cluster_has_grid(const struct read_row *row, const void *base);
void cluster_write_grid(const struct read_row *row, const void *base,
                        FILE *out);
bool cluster_has_views(const struct read_row *row, const void *base);
void cluster_write_views(const struct read_row *row, const void *base,
                         FILE *out);
bool cluster_has_layers(const struct read_row *row, const void *base);
void cluster_write_layers(const struct read_row *row, const void *base,
                          FILE *out);
void cluster_write_devices(const struct read_row *row, const void *base,
                           FILE *out);

/* Checks of a table. */
int cluster_check_top(struct reader *reader, const struct doc_node *node,
                      void *base);
int cluster_check_device(struct reader *reader, const struct doc_node *node,
                         void *base);
int cluster_check_stage(struct reader *reader, const struct doc_node *node,
                        void *base);
int cluster_check_input(struct reader *reader, const struct doc_node *node,
                        void *base);
int cluster_check_health(struct reader *reader, const struct doc_node *node,
                         void *base);
int cluster_check_routing(struct reader *reader, const struct doc_node *node,
                          void *base);

/* Words that several rows take. */
extern const struct read_word cluster_auto_is_0[];
extern const struct read_word cluster_none_is_0[];

/* Tables, by the file they are in. */
extern const struct read_table cluster_device_table; /* cluster_rows.c */
extern const struct read_table cluster_model_table;  /* cluster_rows_model.c */
extern const struct read_table cluster_input_table;
extern const struct read_table cluster_stage_table;
extern const struct read_table cluster_routing_table; /* cluster_rows_run.c */
extern const struct read_table cluster_link_table;
extern const struct read_table cluster_health_table;
extern const struct read_table cluster_security_table;
extern const struct read_table cluster_rollout_table;
extern const struct read_table cluster_replan_table;
extern const struct read_table cluster_exit_table; /* cluster_rows_views.c */
extern const struct read_table cluster_view_table;
extern const struct read_table cluster_tier_table;
extern const struct read_table cluster_training_table; /* ..._train.c */
extern const struct read_table cluster_tiled_table;    /* ..._lossy.c */
extern const struct read_table cluster_tile_loss_table;
extern const struct read_table cluster_margin_table;
extern const struct read_table cluster_block_loss_table;

/* Of any mapping that has tiles. */
#define GRID_ROW(text)                                            \
    {                                                             \
        .key = "grid", .type = READ_OWN, .own = cluster_own_grid, \
        .is_set = cluster_has_grid, .write = cluster_write_grid,  \
        .takes = "COLUMNSxROWS such as 2x2, each up to 16",       \
        .schema = "{\"type\":\"string\",\"pattern\":"             \
                  "\"^[1-9][0-9]*x[1-9][0-9]*$\"}",               \
        .help = (text), .flags = READ_REQUIRED                    \
    }

#endif
