/*
 * Whether this board is slower now than it could be: the Raspberry Pi's
 * firmware says so in a file, of other boards the kernel's cooling devices
 * that hold processors' clocks down. Files that the kernel makes; a read asks
 * the firmware, some tens of microseconds, so once a beat is enough.
 */
#ifndef EDGED_HEAT_H
#define EDGED_HEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAT_FILES 8 /* clusters of processors */
#define HEAT_PATH 160

struct heat { /* zeroed: of a board that never is */
    char paths[HEAT_FILES][HEAT_PATH];
    size_t n;
    bool is_firmware; /* one file, of bits; else of each a state */
};

/* Looks for what there is below `sys`, "/sys"; nothing is fine. */
void heat_find(struct heat *heat, const char *sys);
/* enum throttle, of now; 0 where nothing says so. */
uint32_t heat_read(const struct heat *heat);

#endif
