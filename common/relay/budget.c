#include "relay/budget.h"

/* Seconds that have passed since count nothing any more. */
static void move_to(struct relay_budget *budget, uint64_t now_us)
{
    uint64_t second = now_us / 1000000;
    uint64_t passed = second - budget->second;

    for (uint64_t i = 1; i <= passed && i <= RETRY_WINDOW_S; i++) {
        budget->sent[(budget->second + i) % RETRY_WINDOW_S] = 0;
        budget->copies[(budget->second + i) % RETRY_WINDOW_S] = 0;
    }
    budget->second = second;
}

void relay_budget_note(struct relay_budget *budget, uint64_t now_us)
{
    move_to(budget, now_us);
    budget->sent[budget->second % RETRY_WINDOW_S]++;
}

bool relay_budget_take(struct relay_budget *budget, uint64_t now_us)
{
    uint64_t sent = 0;
    uint64_t copies = 0;

    move_to(budget, now_us);
    for (size_t i = 0; i < RETRY_WINDOW_S; i++) {
        sent += budget->sent[i];
        copies += budget->copies[i];
    }
    if (copies >= RETRY_BUDGET_MIN && copies * 100 >= sent * RETRY_BUDGET) {
        return false;
    }
    budget->copies[budget->second % RETRY_WINDOW_S]++;
    return true;
}
