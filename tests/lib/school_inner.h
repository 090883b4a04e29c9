/* Between the files of school.h. */
#ifndef EDGE_TESTS_SCHOOL_INNER_H
#define EDGE_TESTS_SCHOOL_INNER_H

#include "tests/lib/school.h"
#include "wire/convert.h"

#define PORT 7000 /* of the first board */
#define SIDE 12   /* of a picture */
#define CLASSES 5
#define PORTS 8

struct paper { /* an Install for one stage, with room for all it points to */
    Edged__Shard shard;
    Edged__BlobRef model;
    Edged__BlobRef weights[SCHOOL_FILES];
    Edged__BlobRef *weight_list[SCHOOL_FILES];
    Edged__Port port;
    Edged__TensorMeta meta;
    Edged__Port *ports[PORTS];
    Edged__Link links[PORTS];
    Edged__Link *link_list[PORTS];
    Edged__Recipe recipe;
    Edged__BlobRef state;
    Edged__DataSpec train;
    Edged__DataSpec test;
    Edged__BlobRef data[6];
    Edged__BlobRef *data_list[4];
    Edged__LossSpec loss;
    Edged__LossSpec *losses[1];
    Edged__OptimizerSpec optimizer;
    Edged__Source sources[PORTS];
    Edged__Source *source_list[PORTS];
    Edged__Augment augment;
    char name[8];
};

/* school.c: the model, the data and who the boards are, without a network;
 * and its end. */
void school_prepare(struct school *s, const struct school_ask *ask);
void school_forget(struct school *s);
/* The papers of each stage, for a placement of that number. */
void school_write(struct school *s, uint32_t epoch, struct paper *papers);
/* What the board behind a peer (by its name) says to the trainer. */
void school_hear(void *arg, struct io_peer *peer, struct msg *msg);

/* school_data.c: the trainer's store, and what it has of samples. */
struct school_file *school_find_file(const struct school *s,
                                     const struct digest *digest);
struct school_file *school_new_file(struct school *s,
                                    const struct digest *digest, size_t size);
struct digest school_add_file(struct school *s, const void *data, size_t size);
void school_set_ref(const struct school *s, const struct digest *digest,
                    Edged__BlobRef *ref);
void school_make_data(struct school *s);
void school_make_test(struct school *s, struct digest files[2]);

/* school_paper.c: Install messages. */
void school_write_shard(struct school *s, struct paper *p, size_t stage,
                        const struct digest test[2]);
void school_send_install(struct school *s, size_t board, struct paper *papers);

#endif
