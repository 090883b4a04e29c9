#include "tensor/tensor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blob *blob = blob_copy(data, size);
    struct tensor t = {.dtype = DTYPE_NONE};

    if (blob != NULL && npy_decode(blob, &t, NULL) == 0) {
        tensor_deinit(&t);
    }
    blob_unref(blob);
    return 0;
}
