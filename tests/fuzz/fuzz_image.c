/* Any bytes as a picture file, decoded and made a model's input. */
#include "image/decode.h"
#include "image/prepare.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_spec spec = image_spec_default(8, 8);
    struct image image = {0};
    struct tensor tensor = {0};
    struct err err = {""};
    int rc = image_decode("x", data, size, &image, &err);

    if (rc < 0) {
        if (err.text[0] == '\0' || image.pixels != NULL) {
            abort(); /* an error has a sentence and leaves nothing behind */
        }
        return 0;
    }
    if (image_prepare(&image, &spec, &tensor, &err) < 0) {
        abort(); /* whatever was decoded can be prepared */
    }
    tensor_deinit(&tensor);
    image_deinit(&image);
    return 0;
}
