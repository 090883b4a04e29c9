/* What those who watch a training are told. */
#include "coordinator/train/trainer.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define SAY_MS 500
#define LATELY_US 60e6 /* what was before counts for little */

static uint64_t n_steps(const struct trainer *t)
{
    return t->settings.batch == 0
               ? 0
               : t->settings.passes *
                     settings_steps(&t->settings, t->kept->samples);
}

static void fill(const struct trainer *t, const char *phase, const char *text,
                 Edged__TrainProgress *out)
{
    uint64_t steps = n_steps(t);

    edged__train_progress__init(out);
    out->training = t->kept->name;
    out->phase = (char *)(uintptr_t)phase;
    out->text = (char *)(uintptr_t)text;
    out->step = t->point.steps;
    out->steps = steps;
    out->pass = t->point.pass;
    out->passes = t->settings.passes;
    out->skipped = t->point.skipped;
    out->samples_s = t->rate;
    if (t->all_samples > 0 && steps > t->point.steps) {
        out->left_s = (double)(steps - t->point.steps) * t->settings.batch *
                      t->all_us / t->all_samples / 1e6;
    }
}

static void send_all(struct trainer *t, Edged__TrainProgress *progress)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_TRAIN_PROGRESS;
    env.train_progress = progress;
    for (size_t i = 0; i < TRAINER_WATCHERS; i++) {
        if (t->watchers[i] != NULL) { /* one that does not read misses it */
            (void)io_send(t->watchers[i], &env, NULL);
        }
    }
}

void trainer_say(struct trainer *t, const char *phase, const char *text)
{
    Edged__TrainProgress progress;

    fill(t, phase, text, &progress);
    send_all(t, &progress);
}

/* ---- stages -------------------------------------------------------------- */

static void fill_part(const struct trainer *t, struct trainer_part *part,
                      double passed_us, Edged__StageTrained *out)
{
    edged__stage_trained__init(out);
    out->name = t->placement->spec->shards[part->stage]->name;
    out->node = part->member->name;
    out->busy = passed_us > 0 ? part->said_busy_us / passed_us : 0;
    out->sent_bytes = part->sent_bytes;
    out->plain_bytes = part->plain_bytes;
    out->reduce_bytes = part->reduce_bytes;
    out->reduce_plain = part->reduce_plain;
    out->peak_bytes = part->peak_bytes;
    out->weights.data = part->weights;
    out->weights.len = part->n_weights;
    part->said_busy_us = 0;
    part->sent_bytes = part->plain_bytes = 0;
    part->reduce_bytes = part->reduce_plain = 0;
}

static void send_step(struct trainer *t, Edged__TrainProgress *progress,
                      double passed_us)
{
    size_t n = t->n_parts;
    Edged__StageTrained *stages = mem_array(Edged__StageTrained, n);
    Edged__StageTrained **list = mem_array(Edged__StageTrained *, n);

    for (size_t i = 0; i < n && stages != NULL && list != NULL; i++) {
        fill_part(t, &t->parts[i], passed_us, &stages[i]);
        list[i] = &stages[i];
        progress->n_stages = i + 1;
    }
    progress->stages = list;
    send_all(t, progress);
    mem_free(stages);
    mem_free(list);
}

/* How fast it was: steps by themselves, and with evaluations, which take their
 * part of the time that is left. */
static void note_pace(struct trainer *t, double passed_us)
{
    double steps_us = passed_us - (double)t->rest_us;
    double keep = exp(-passed_us / LATELY_US);
    double samples = (double)t->said.samples;

    if (steps_us > 0) {
        t->rate = samples * 1e6 / steps_us;
    }
    t->all_us = keep * t->all_us + passed_us;
    t->all_samples = keep * t->all_samples + samples;
    t->rest_us = 0;
}

void trainer_say_step(struct trainer *t)
{
    uint64_t now = io_now_us(t->c->io);
    double passed_us = (double)(now - t->said_us);
    Edged__TrainProgress progress;

    if (passed_us < (double)SAY_MS * 1000) {
        return;
    }
    note_pace(t, passed_us);
    fill(t, "step", "", &progress);
    progress.rate = t->step.rate;
    if (t->said.samples > 0) {
        progress.loss = t->said.loss / (double)t->said.samples;
        progress.accuracy = (double)t->said.correct / (double)t->said.samples;
    }
    send_step(t, &progress, passed_us);
    memset(&t->said, 0, sizeof(t->said));
    t->said_us = now;
}

void trainer_say_pass(struct trainer *t, const Edged__KeptPass *pass,
                      bool is_tested)
{
    Edged__TrainProgress progress;

    fill(t, "evaluate", "", &progress);
    progress.pass = pass->pass;
    progress.loss = pass->loss;
    progress.accuracy = pass->accuracy;
    progress.test_loss = pass->test_loss;
    progress.test_accuracy = pass->test_accuracy;
    progress.test_samples = is_tested ? t->kept->test_samples : 0;
    progress.rate = pass->rate;
    progress.took_s = pass->took_s;
    send_all(t, &progress);
    log_event(t->c->log, LOG_INFO, "training.pass",
              "name=%s pass=%u loss=%.5f test_accuracy=%.4f", t->kept->name,
              pass->pass, pass->loss, pass->test_accuracy);
}

/* ---- the end ------------------------------------------------------------- */

void trainer_refuse(struct io_peer *peer, int rc, const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__TrainReply reply = EDGED__TRAIN_REPLY__INIT;

    reply.code = rc;
    reply.text = (char *)(uintptr_t)text;
    env.body_case = EDGED__ENVELOPE__BODY_TRAIN_REPLY;
    env.train_reply = &reply;
    (void)admin_send(peer, &env, NULL);
}

void trainer_reply(const struct trainer *t, struct io_peer *peer, int rc,
                   const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__TrainReply reply = EDGED__TRAIN_REPLY__INIT;
    struct trainer_said room;

    reply.code = rc;
    reply.text = (char *)(uintptr_t)text;
    reply.training = t->kept->name;
    reply.model = rc == 0 ? t->kept->result : NULL;
    if (t->kept->n_checkpoints > 0) {
        const Edged__KeptCheckpoint *last =
            t->kept->evaluates ? &t->point : trainer_newest(t);

        reply.steps = last->steps;
        reply.test_accuracy = last->test_accuracy;
        reply.test_loss = last->test_loss;
        reply.took_s = last->took_s;
    }
    reply.test_samples = t->kept->test_samples;
    reply.passes = t->kept->passes;
    reply.n_passes = t->kept->n_passes;
    reply.curve = t->kept->curve;
    reply.n_curve = t->kept->n_curve;
    trainer_exits_say(t, &room, &reply);
    env.body_case = EDGED__ENVELOPE__BODY_TRAIN_REPLY;
    env.train_reply = &reply;
    (void)admin_send(peer, &env, NULL);
}
