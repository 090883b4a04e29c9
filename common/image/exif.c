#include "image/exif.h"

#include <stdbool.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112u
#define TYPE_SHORT 3u
#define ENTRY_BYTES 12u

static uint32_t get16(const uint8_t *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t get32(const uint8_t *p, bool big)
{
    return big ? get16(p, big) << 16 | get16(p + 2, big)
               : get16(p + 2, big) << 16 | get16(p, big);
}

/* An entry: tag, type, count, and a value of up to four bytes in place. */
static int entry_orientation(const uint8_t *entry, bool big)
{
    uint32_t value = get16(entry + 8, big);

    if (get16(entry, big) != TAG_ORIENTATION ||
        get16(entry + 2, big) != TYPE_SHORT || get32(entry + 4, big) != 1) {
        return 0;
    }
    return value >= 1 && value <= 8 ? (int)value : 1;
}

int exif_orientation(const uint8_t *tiff, size_t size)
{
    bool big;
    size_t at;
    size_t entries;

    if (size < 8) {
        return 1;
    }
    big = tiff[0] == 'M';
    if (memcmp(tiff, big ? "MM" : "II", 2) != 0 || get16(tiff + 2, big) != 42) {
        return 1;
    }
    at = get32(tiff + 4, big);
    if (at > size - 2) {
        return 1;
    }
    entries = get16(tiff + at, big);
    at += 2;
    for (; entries > 0 && size - at >= ENTRY_BYTES; entries--) {
        int found = entry_orientation(tiff + at, big);

        if (found != 0) {
            return found;
        }
        at += ENTRY_BYTES;
    }
    return 1;
}

int exif_orientation_app1(const uint8_t *segment, size_t size)
{
    static const uint8_t magic[6] = {'E', 'x', 'i', 'f', 0, 0};

    if (size < sizeof(magic) || memcmp(segment, magic, sizeof(magic)) != 0) {
        return 1;
    }
    return exif_orientation(segment + sizeof(magic), size - sizeof(magic));
}
