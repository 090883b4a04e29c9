/*
 * What `links.calibrate` names, as inputs of the model: the coordinator tries
 * codecs on them (coordinator/plan_auto.c).
 */
#ifndef EDGE_CTL_CALIBRATION_H
#define EDGE_CTL_CALIBRATION_H

#include "base/blob.h"
#include "base/err.h"
#include "config/cluster.h"

/* float32 inputs one after the other, for blob_unref(); NULL: the file (`yaml`)
 * names no folder. Of many pictures some, evenly. EDGE_ECONFIG: the folder
 * cannot be read, a picture in it cannot, or the model takes none. */
int calibration_read(const struct cluster *cluster, const char *yaml,
                     const char *model_path, struct blob **calibration,
                     struct err *err);

#endif
