#include "wire/throttle.h"

#define SLOW (THROTTLE_CAPPED | THROTTLE_HOT | THROTTLE_SOFT)

bool throttle_is_slow(uint32_t bits)
{
    return (bits & SLOW) != 0;
}

const char *throttle_text(uint32_t bits)
{
    bool lacks_power = (bits & THROTTLE_VOLTAGE) != 0;

    if (throttle_is_slow(bits)) {
        return lacks_power ? "throttled, low voltage" : "throttled";
    }
    return lacks_power ? "low voltage" : "";
}
