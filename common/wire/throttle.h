/*
 * What slows a board now, as beats and edgectl say it: the low bits that the
 * Raspberry Pi's firmware has for it (`vcgencmd get_throttled`).
 */
#ifndef EDGE_WIRE_THROTTLE_H
#define EDGE_WIRE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

enum throttle {
    THROTTLE_VOLTAGE = 1, /* too little of it */
    THROTTLE_CAPPED = 2,  /* its clock is held down */
    THROTTLE_HOT = 4,
    THROTTLE_SOFT = 8, /* near that, so its clock is a little lower */
    THROTTLE_ALL = 15
};

/* Less than its full speed is to be expected. */
bool throttle_is_slow(uint32_t bits);
/* "throttled", "low voltage" or both; "" for nothing. */
const char *throttle_text(uint32_t bits);

#endif
