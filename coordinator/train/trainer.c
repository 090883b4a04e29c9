/* A training's life: how it begins, ends and is brought back. */
#include "coordinator/train/trainer.h"

#include "coordinator/asked.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

static struct trainer *entry(struct list *it)
{
    return list_entry(it, struct trainer, link);
}

void trainer_to(struct trainer *t, enum trainer_phase phase)
{
    t->phase = phase;
    t->phase_us = io_now_us(t->c->io);
}

struct trainer *trainer_of_epoch(struct coordinator *c, uint32_t epoch)
{
    list_each(&c->trainers, it, after)
    {
        struct trainer *t = entry(it);

        if (t->placement != NULL && t->placement->epoch == epoch) {
            return t;
        }
    }
    return NULL;
}

struct trainer *trainer_find(struct coordinator *c, const char *name)
{
    list_each(&c->trainers, it, after)
    {
        if (strcmp(entry(it)->kept->name, name) == 0) {
            return entry(it);
        }
    }
    return NULL;
}

bool trainer_is_over(const struct trainer *t)
{
    return t->phase == TRAINER_OVER;
}

bool trainer_has_strand(const struct trainer *t)
{
    return t->is_numbering || t->is_keeping || t->phase == TRAINER_PLANNING ||
           t->phase == TRAINER_ENDING;
}

bool train_is_busy(const struct coordinator *c)
{
    for (const struct list *it = c->trainers.next; it != &c->trainers;
         it = it->next) {
        if (trainer_has_strand(list_entry(it, struct trainer, link))) {
            return true;
        }
    }
    return false;
}

/* ---- the end ------------------------------------------------------------- */

void trainer_free(struct trainer *t)
{
    trainer_drop_step(t);
    trainer_drop_saving(t);
    list_unlink(&t->link);
    if (t->spec != NULL) {
        edged__placement__free_unpacked(t->spec, NULL);
    }
    if (t->kept != NULL) {
        edged__kept_training__free_unpacked(t->kept, NULL);
    }
    cluster_free(t->cluster);
    mem_free(t->job);
    mem_free(t->packed);
    mem_free(t->dropped);
    mem_free(t->forgets);
    mem_free(t->staff);
    mem_free(t->parts);
    mem_free(t->speeds);
    mem_free(t->shunned);
    mem_free(t->shunned_us);
    mem_free(t->is_other);
    mem_free(t);
}

void train_free_all(struct coordinator *c)
{
    list_each(&c->trainers, it, after)
    {
        trainer_free(entry(it)); /* its placement is the coordinator's */
    }
}

void trainer_tell_end(struct trainer *t)
{
    for (size_t i = 0; i < TRAINER_WATCHERS; i++) {
        if (t->watchers[i] != NULL) {
            trainer_reply(t, t->watchers[i], t->over_rc, t->over_text);
            t->watchers[i] = NULL;
        }
    }
}

void trainer_finish(struct trainer *t, int rc, const char *text)
{
    char said[sizeof(t->over_text)];

    (void)snprintf(said, sizeof(said), "%s", text);
    if (trainer_is_over(t)) {
        return;
    }
    trainer_drop_placement(t);
    trainer_to(t, TRAINER_OVER);
    t->kept->ended = rc == 0;
    t->kept->stopped = rc < 0;
    (void)convert_set_text(&t->kept->failure,
                           rc < 0 && rc != EDGE_ECANCELED ? said : "");
    log_event(t->c->log, rc < 0 ? LOG_WARN : LOG_INFO, "training.over",
              "name=%s rc=%s err=\"%s\"", t->kept->name, err_name(rc), said);
    event_note(t->c, EVENT_DEPLOY, "", "training %s %s%s", t->kept->name,
               rc == 0                ? "is done"
               : rc == EDGE_ECANCELED ? "was stopped"
                                      : "failed: ",
               rc < 0 && rc != EDGE_ECANCELED ? said : "");
    t->over_rc = rc;
    memcpy(t->over_text, said, sizeof(said));
    if (t->kept->n_checkpoints == 0 || t->kept->evaluates) {
        trainer_tell_end(t);
    } else if (trainer_keep(t) < 0) {
        log_event(t->c->log, LOG_ERROR, "training.not_kept", "name=%s",
                  t->kept->name);
        trainer_tell_end(t);
    }
}

static void on_result(struct train_job *job)
{
    struct trainer *t = job->arg;

    if (t->c->closing) {
        return; /* made again after the restart */
    }
    trainer_finish(t, job->rc, job->rc < 0 ? job->err.text : "");
}

/* ---- the beginning ------------------------------------------------------- */

static int add_first(struct trainer *t)
{
    Edged__KeptTraining *kept = t->kept;
    Edged__KeptCheckpoint *first = mem_new(Edged__KeptCheckpoint);

    kept->checkpoints = mem_array(Edged__KeptCheckpoint *, 1);
    if (first == NULL || kept->checkpoints == NULL) {
        mem_free(first);
        return EDGE_ENOMEM;
    }
    edged__kept_checkpoint__init(first);
    first->pass = kept->evaluates ? 1 : 0;
    kept->checkpoints[kept->n_checkpoints++] = first;
    return 0;
}

void trainer_set_up(struct trainer *t)
{
    t->settings = settings_of(t->cluster, t->kept->samples);
    if (t->kept->evaluates) {
        t->settings.passes = 0;
    }
    t->job->done = on_result;
}

static void on_planned(struct train_job *job)
{
    struct trainer *t = job->arg;

    if (t->c->closing) {
        return;
    }
    if (job->rc == 0 && add_first(t) < 0) {
        job->rc = err_set(&job->err, EDGE_ENOMEM, "out of memory");
    }
    if (job->rc < 0) {
        trainer_finish(t, job->rc, job->err.text);
        return;
    }
    trainer_set_up(t);
    trainer_to(t, TRAINER_WAITING);
    if (t->stops) {
        trainer_finish(t, EDGE_ECANCELED, "");
    } else if (!t->kept->evaluates && trainer_keep(t) < 0) {
        trainer_finish(t, EDGE_ENOMEM, "out of memory");
    }
    train_poke(t->c);
}

int trainer_make_job(struct trainer *t)
{
    t->job = mem_new(struct train_job);
    t->shunned = mem_array(bool, t->cluster->n_devices);
    t->shunned_us = mem_array(uint64_t, t->cluster->n_devices);
    t->is_other = mem_array(bool, t->cluster->n_devices);
    if (t->job == NULL || t->shunned == NULL || t->shunned_us == NULL ||
        t->is_other == NULL) {
        return EDGE_ENOMEM;
    }
    *t->job = (struct train_job){
        .done = on_planned,
        .arg = t,
        .store = t->c->store,
        .guard = t->c->guard,
        .cluster = t->cluster,
        .kept = t->kept,
    };
    return 0;
}

struct trainer *trainer_new(struct coordinator *c)
{
    struct trainer *t = mem_new(struct trainer);

    if (t == NULL) {
        return NULL;
    }
    t->c = c;
    list_init(&t->link);
    edged__step__init(&t->step);
    edged__kept_checkpoint__init(&t->point);
    t->kept = mem_new(Edged__KeptTraining);
    if (t->kept == NULL) {
        mem_free(t);
        return NULL;
    }
    edged__kept_training__init(t->kept);
    return t;
}

/* Dials the devices; the list itself is not needed. */
int trainer_dial(struct trainer *t, struct err *err)
{
    struct member **members = NULL;
    size_t n = 0;
    int rc = asked_devices(t->c, t->cluster, &members, &n, err);

    mem_free(members);
    return rc;
}

int trainer_read_cluster(struct trainer *t, char **text, struct err *err)
{
    struct digest yaml;
    int rc = convert_digest_in(&t->kept->yaml, &yaml, err);

    return rc < 0 ? rc
                  : asked_read(t->c, &yaml, t->kept->yaml_name, &t->cluster,
                               text, err);
}

/* ---- looking ------------------------------------------------------------- */

static void look(struct trainer *t)
{
    switch (t->phase) {
    case TRAINER_WAITING: trainer_look_waiting(t); break;
    case TRAINER_INSTALLING: trainer_look_installing(t); break;
    case TRAINER_STEPPING: trainer_look_stepping(t); break;
    case TRAINER_PLANNING:
    case TRAINER_NUMBERING:
    case TRAINER_ENDING:
    case TRAINER_OVER: break;
    }
}

void train_poke(struct coordinator *c)
{
    list_each(&c->trainers, it, after)
    {
        if (!c->closing && !entry(it)->is_looking) {
            entry(it)->is_looking = true;
            look(entry(it));
            entry(it)->is_looking = false;
        }
    }
}

/* ---- after a restart ----------------------------------------------------- */

static bool is_sound(const Edged__KeptTraining *kept)
{
    return kept->plan != NULL && kept->n_checkpoints > 0 &&
           kept->plan->n_shards > 0 && kept->samples > 0 &&
           convert_name_ok(kept->name);
}

static int bring_back(struct trainer *t, struct err *err)
{
    char *text = NULL;
    int rc = trainer_read_cluster(t, &text, err);

    if (text != NULL) {
        (void)err_set(err, rc, "its cluster.yaml cannot be read again");
    }
    mem_free(text);
    if (rc == 0 && trainer_make_job(t) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (rc < 0) {
        return rc;
    }
    trainer_set_up(t);
    if (t->kept->ended || t->kept->stopped) {
        trainer_to(t, TRAINER_OVER);
        return 0;
    }
    trainer_to(t, TRAINER_WAITING);
    return trainer_dial(t, err);
}

/* What cannot be brought back does not keep the rest from it. */
static int load_row(void *arg, const void *body, size_t size, struct err *err)
{
    struct coordinator *c = arg;
    struct trainer *t = trainer_new(c);
    Edged__KeptTraining *kept = NULL;
    int rc;

    if (t == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = msg_unpack_alone(&edged__kept_training__descriptor, body, size,
                          LIMIT_KEPT_UNPACK, &kept, err);
    if (rc == 0) {
        edged__kept_training__free_unpacked(t->kept, NULL);
        t->kept = kept;
        rc = is_sound(kept) ? bring_back(t, err)
                            : err_set(err, EDGE_ECORRUPT, "a torn training");
    }
    if (rc < 0) {
        log_event(c->log, LOG_ERROR, "training.lost", "err=\"%s\"", err->text);
        trainer_free(t);
        return rc == EDGE_ENOMEM ? rc : 0;
    }
    list_push(&c->trainers, &t->link);
    log_event(c->log, LOG_INFO, "training.back", "name=%s step=%llu",
              t->kept->name, (unsigned long long)trainer_newest(t)->steps);
    return 0;
}

int train_load(struct coordinator *c, struct err *err)
{
    return state_load_trainings(c->state, load_row, c, err);
}
