/* Failpoints are there in MODE=faulty alone. */
#include "base/failpoint.h"
#include "tests/lib/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* What ended a child that reaches "a.site" three times; 0: nothing did. */
static int signal_of_child(const char *asked)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setenv("EDGED_FP", asked, 1);
        for (int i = 0; i < 3; i++) {
            FAILPOINT("a.site");
        }
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#ifdef EDGE_FAILPOINTS
#define KILLED SIGKILL
#define OFF true
#else
#define KILLED 0
#define OFF false
#endif

static void the_nth_time_is_the_last(void **state)
{
    (void)state;
    assert_int_equal(signal_of_child("a.site:3"), KILLED);
    assert_int_equal(signal_of_child("a.site:4"), 0);
    assert_int_equal(signal_of_child("another.site:1"), 0);
    assert_int_equal(signal_of_child("a.site"), 0);
}

static void a_defence_is_taken_by_its_whole_name(void **state)
{
    (void)state;
    (void)setenv("EDGED_OFF", "resend,dedup", 1);
    assert_int_equal(DEFENCE_OFF("dedup"), OFF);
    assert_int_equal(DEFENCE_OFF("resend"), OFF);
    assert_int_equal(DEFENCE_OFF("dedu"), false);
    assert_int_equal(DEFENCE_OFF("resend,dedup"), false);
    (void)unsetenv("EDGED_OFF");
    assert_int_equal(DEFENCE_OFF("dedup"), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_time_is_the_last),
        cmocka_unit_test(a_defence_is_taken_by_its_whole_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
