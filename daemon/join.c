#include "daemon/join.h"

#include "base/limits.h"
#include "base/mem.h"
#include "daemon/enrol.h"
#include "net/io_uv.h"
#include "pki/token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define RUN_FOLDER "/run/edged"
#define SOCKET "join.sock"
#define ANSWER_MS (ENROL_MS * (TOKEN_HOSTS + 1))
#define UNREACHABLE 4 /* exit codes: UX.md, "CLI conventions" */
#define USAGE 2

char *join_socket(const char *run)
{
    return mem_printf("%s/" SOCKET, run != NULL ? run : RUN_FOLDER);
}

/* ---- the token ----------------------------------------------------------- */

/* The one place for a token that everybody on the machine can read. */
static int refuse_argument(struct err *err)
{
    return err_set(err, EDGE_EREFUSED,
                   "a token on the command line is seen by everybody on this "
                   "machine; this one is not used. Make another, and give it "
                   "on standard input:  edgectl token create | ssh BOARD sudo "
                   "edged join -");
}

static int read_token(const char *file, char line[TOKEN_LINE], struct err *err)
{
    FILE *in;
    size_t n;

    if (token_is_like(file)) {
        return refuse_argument(err);
    }
    in = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");

    if (in == NULL) {
        return err_set(err, EDGE_EIO, "cannot read %s: %s", file,
                       strerror(errno));
    }
    n = fread(line, 1, TOKEN_LINE - 1, in);
    line[n] = '\0';
    if (in != stdin) {
        (void)fclose(in);
    }
    if (n == 0) {
        return err_set(err, EDGE_EINVAL,
                       "no token came. Make one on the coordinator:  edgectl "
                       "token create");
    }
    return 0;
}

/* ---- through the daemon -------------------------------------------------- */

struct asking {
    const char *token;
    struct io_uv *uv;
    struct io *io;
    struct io_timer limit;
    bool nobody; /* answered at the socket */
    int rc;      /* 1: not known yet */
    struct err err;
};

static void end(struct asking *a, int rc)
{
    a->rc = rc;
    io_uv_stop(a->uv);
}

static void on_up(void *arg, struct io_peer *peer)
{
    struct asking *a = arg;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Join join = EDGED__JOIN__INIT;

    join.token = (char *)(uintptr_t)a->token;
    env.body_case = EDGED__ENVELOPE__BODY_JOIN;
    env.join = &join;
    if (io_send(peer, &env, NULL) < 0) {
        end(a, err_set(&a->err, EDGE_EIO, "cannot speak to the daemon"));
    }
}

static void on_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct asking *a = arg;

    (void)peer;
    end(a, err_set(&a->err, rc, "the daemon hung up: %s", why));
}

static void on_refused(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct asking *a = arg;

    (void)peer;
    a->nobody = true;
    end(a, err_set(&a->err, rc, "the daemon does not answer: %s", why));
}

static void on_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct asking *a = arg;

    (void)peer;
    if (msg->env->body_case == EDGED__ENVELOPE__BODY_RESULT) {
        const Edged__Result *result = msg->env->result;

        end(a, result->code < 0
                   ? err_set(&a->err, result->code, "%s", result->text)
                   : err_set(&a->err, 0, "%s", result->text));
    }
}

static void on_limit(struct io_timer *timer)
{
    struct asking *a = container_of(timer, struct asking, limit);

    end(a, err_set(&a->err, EDGE_ETIMEOUT,
                   "the daemon has not said within %d s whether it joined. "
                   "Its log:  journalctl -u edged",
                   ANSWER_MS / 1000));
}

static int ask(struct asking *a, const char *path)
{
    static const struct io_events events = {.on_up = on_up,
                                            .on_down = on_down,
                                            .on_message = on_message,
                                            .on_refused = on_refused};
    struct io_identity identity = {.role = EDGED__ROLE__ROLE_CLIENT,
                                   .name = "edged-join",
                                   .cluster = "",
                                   .version = EDGE_VERSION};
    struct io_peer *peer;
    int rc;

    (void)!getrandom(&identity.instance, sizeof(identity.instance), 0);
    rc = io_uv_new(&identity, NULL, &a->uv, &a->err);
    if (rc < 0) {
        return rc;
    }
    a->io = io_uv_io(a->uv);
    io_uv_on(a->uv, &events, a);
    io_timer_init(&a->limit, on_limit);
    io_timer_start(a->io, &a->limit, ANSWER_MS);
    a->rc = io_dial(a->io, NULL, path, 0, &peer, &a->err);
    if (a->rc == 0) {
        a->rc = 1;
        io_uv_run(a->uv);
    }
    io_uv_free(a->uv);
    return a->rc;
}

/* On success its text is the name of the daemon, which may not be the one
 * that this program would have. */
static int through_daemon(const char *path, const char *token, bool *nobody,
                          struct err *err)
{
    struct asking *a = mem_new(struct asking);
    int rc;

    *nobody = false;

    if (a == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    a->token = token;
    rc = ask(a, path);
    (void)err_set(err, rc, "%s", a->err.text);
    *nobody = a->nobody;
    mem_free(a);
    return rc;
}

/* ---- which of the two ---------------------------------------------------- */

static int alone(const struct args *args, const char *token, struct err *err)
{
    struct enrol_config config = args_enrolment(args);
    int rc = enrol(&config, token, err);

    return rc < 0 ? rc : err_set(err, 0, "%s", args->name);
}

/* A socket that a killed daemon left behind is nobody's. */
static int use_socket(const struct args *args, const char *path,
                      const char *token, struct err *err)
{
    bool nobody;
    int rc;

    if (access(path, W_OK) < 0) {
        return err_set(err, EDGE_EREFUSED,
                       "only root may make a board a member. Try:  sudo edged "
                       "join -");
    }
    rc = through_daemon(path, token, &nobody, err);
    return nobody && args->set_folder != NULL ? alone(args, token, err) : rc;
}

/* Who names a state folder means the daemon of that folder, running or not. */
static int join(const struct args *args, const char *token, struct err *err)
{
    const char *run = args->run != NULL ? args->run : args->set_folder;
    char *path = join_socket(run);
    int rc;

    if (path == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (access(path, F_OK) == 0 || errno == EACCES) {
        rc = use_socket(args, path, token, err);
    } else if (args->set_folder != NULL) {
        rc = alone(args, token, err);
    } else {
        rc = err_set(err, EDGE_EUNREACHABLE,
                     "no daemon runs here (%s: %s). Start it:  sudo systemctl "
                     "enable --now edged     or say where its state is:  "
                     "--state DIR",
                     path, strerror(errno));
    }
    mem_free(path);
    return rc;
}

int join_run(const struct args *args, const char *file)
{
    char token[TOKEN_LINE];
    struct err err;
    int rc;

    if (file == NULL) {
        (void)fputs("edged join: say where the token is:  edgectl token create "
                    "| ssh BOARD sudo edged join -\n",
                    stderr);
        return USAGE;
    }
    rc = read_token(file, token, &err);
    if (rc == 0) {
        rc = join(args, token, &err);
    }
    explicit_bzero(token, sizeof(token));
    if (rc < 0) {
        (void)fprintf(stderr, "edged: %s\n", err.text);
        return rc == EDGE_EUNREACHABLE ? UNREACHABLE : 1;
    }
    (void)fprintf(stderr, "%s is a member now\n", err.text);
    return 0;
}
