#include "coordinator/ctl/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int interrupt_open(int *fd, struct err *err)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    *fd = signalfd(-1, &set, SFD_CLOEXEC);
    return *fd >= 0 ? 0
                    : err_set(err, EDGE_EIO, "signalfd: %s", strerror(errno));
}

void interrupt_take(int fd)
{
    struct signalfd_siginfo info;
    sigset_t set;

    (void)!read(fd, &info, sizeof(info));
    (void)close(fd);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}
