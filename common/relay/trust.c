#include "relay/trust.h"

#define US(ms) ((uint64_t)(ms)*1000)
#define WEIGHT_FIRST 10u

static uint64_t ejection_us(uint32_t ejections)
{
    uint32_t doubled = ejections < 8 ? ejections : 8;
    uint64_t us = US(EJECT_MS) << doubled;

    return us < US(EJECT_MAX_MS) ? us : US(EJECT_MAX_MS);
}

bool relay_trust_strike(struct relay_trust *trust, uint64_t now_us)
{
    if (trust->strikes > 0 &&
        now_us - trust->struck_us > US(STRIKE_WINDOW_MS)) {
        trust->strikes = 0;
        trust->ejections = 0;
    }
    trust->strikes++;
    trust->struck_us = now_us;
    if (trust->strikes < STRIKES) {
        return false;
    }
    trust->ejected_until_us = now_us + ejection_us(trust->ejections);
    trust->ejections++;
    return true;
}

bool relay_trust_late(struct relay_trust *trust, uint64_t now_us)
{
    if (trust->strikes > 0 && now_us - trust->struck_us < US(1000)) {
        return false;
    }
    return relay_trust_strike(trust, now_us);
}

void relay_trust_back(struct relay_trust *trust, uint64_t now_us)
{
    trust->back_us = now_us;
}

bool relay_trust_is_ejected(const struct relay_trust *trust, uint64_t now_us)
{
    return now_us < trust->ejected_until_us;
}

uint32_t relay_trust_weight(const struct relay_trust *trust, uint64_t now_us)
{
    uint64_t since_us = now_us - trust->back_us;

    if (trust->back_us == 0 || since_us >= US(SLOW_START_MS)) {
        return TRUST_FULL;
    }
    return WEIGHT_FIRST + (uint32_t)((TRUST_FULL - WEIGHT_FIRST) * since_us /
                                     US(SLOW_START_MS));
}
