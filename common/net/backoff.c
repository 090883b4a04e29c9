#include "net/backoff.h"

#include "base/limits.h"

void backoff_up(struct backoff *backoff, uint64_t now_us)
{
    backoff->up_us = now_us > 0 ? now_us : 1;
}

uint64_t backoff_next(struct backoff *backoff, uint64_t now_us, uint64_t random)
{
    uint64_t up_us = backoff->up_us;
    uint64_t wait_us;

    backoff->up_us = 0;
    if (up_us > 0 && now_us - up_us >= BACKOFF_LASTED_US) {
        backoff->wait_us = 0;
        return random % BACKOFF_SOON_US;
    }
    if (backoff->wait_us == 0) {
        backoff->wait_us = REDIAL_MIN_MS * UINT64_C(1000);
    }
    wait_us = backoff->wait_us;
    backoff->wait_us = wait_us * 8 / 5;
    if (backoff->wait_us > REDIAL_MAX_MS * UINT64_C(1000)) {
        backoff->wait_us = REDIAL_MAX_MS * UINT64_C(1000);
    }
    return wait_us * 4 / 5 + random % (wait_us * 2 / 5);
}
