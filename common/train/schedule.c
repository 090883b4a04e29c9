#include "train/schedule.h"

#include <math.h>

#define PI 3.14159265358979323846

static double cosine(const struct schedule *s, uint64_t at)
{
    uint64_t length = s->total > s->warmup ? s->total - s->warmup : 1;
    double part = (double)(at - s->warmup) / (double)length;

    part = part < 1 ? part : 1;
    return s->least + (s->rate - s->least) * (1 + cos(PI * part)) / 2;
}

double schedule_rate(const struct schedule *s, const struct schedule_state *st,
                     uint64_t at)
{
    double rate = s->rate;

    if (at < s->warmup) {
        return s->rate * (double)(at + 1) / (double)s->warmup;
    }
    switch (s->kind) {
    case SCHEDULE_STEP:
        return s->every > 0 ? s->rate * pow(s->factor, (double)(at / s->every))
                            : s->rate;
    case SCHEDULE_COSINE: return cosine(s, at);
    case SCHEDULE_PLATEAU:
        rate *= pow(s->factor, (double)st->cuts);
        return rate > s->least ? rate : s->least;
    default: return rate;
    }
}

/* ReduceLROnPlateau with threshold_mode "rel"; a NaN is never better. */
bool schedule_observe(const struct schedule *s, struct schedule_state *st,
                      double measure)
{
    double bound = s->grows ? st->best * (1 + s->threshold)
                            : st->best * (1 - s->threshold);
    bool better = s->grows ? measure > bound : measure < bound;

    if (!st->has_best ? !isnan(measure) : better) {
        st->has_best = true;
        st->best = measure;
        st->bad = 0;
        return false;
    }
    if (++st->bad <= s->patience || s->kind != SCHEDULE_PLATEAU) {
        return false;
    }
    st->bad = 0;
    st->cuts++;
    return true;
}
