/* The opset that a file says it uses, which an imported graph forgets. */
#include "onnx/import.h"
#include "onnx/skeleton.h"

#include "onnx.pb-c.h"

#include <limits.h>
#include <string.h>

static int opset_of(const Onnx__ModelProto *model, int *opset)
{
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *set = model->opset_import[i];
        const char *domain = set->domain != NULL ? set->domain : "";

        if ((domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0) &&
            set->version > 0 && set->version <= INT_MAX) {
            *opset = (int)set->version;
            return 0;
        }
    }
    return EDGE_ECORRUPT;
}

int import_opset(const char *path, int *opset, struct err *err)
{
    const ProtobufCMessageDescriptor *type = &onnx__model_proto__descriptor;
    struct skeleton skeleton = {.bytes = NULL};
    struct skeleton_message message = {.message = NULL};
    struct blob *file = NULL;
    int rc = blob_map(path, &file, err);

    if (rc < 0) {
        return rc;
    }
    rc = skeleton_make(file->data, file->size, type, &skeleton, err);
    if (rc == 0) {
        rc = skeleton_unpack(&skeleton, type, &message, err);
    }
    if (rc == 0) {
        rc = opset_of((const Onnx__ModelProto *)message.message, opset);
        rc = rc < 0 ? err_set(err, rc,
                              "it does not say which ONNX opset it "
                              "uses")
                    : 0;
    }
    skeleton_release(&message);
    skeleton_deinit(&skeleton);
    blob_unref(file);
    return rc < 0 ? err_wrap(err, rc, "%s", path) : 0;
}
