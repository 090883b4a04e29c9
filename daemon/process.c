#include "daemon/process.h"

#include "base/limits.h"
#include "base/mem.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID 40
#define LOOK_MS 100

static uint64_t boot_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void boot_id(char id[BOOT_ID])
{
    FILE *in = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (in == NULL || fscanf(in, "%39s", id) != 1) {
        (void)snprintf(id, BOOT_ID, "unknown");
    }
    if (in != NULL) {
        (void)fclose(in);
    }
}

/* 0: not held. */
static uint64_t held_until(const char *path)
{
    char now_id[BOOT_ID];
    char id[BOOT_ID];
    unsigned long long until = 0;
    FILE *in = fopen(path, "re");
    int n;

    if (in == NULL) {
        return 0;
    }
    n = fscanf(in, "%39s %llu", id, &until);
    (void)fclose(in);
    boot_id(now_id);
    /* A board that was started again since is not held any more. */
    if (n != 2 || strcmp(id, now_id) != 0 || until > boot_ms() + FAULT_MAX_MS) {
        return 0;
    }
    return until;
}

void process_wait_held(const char *folder, void (*tick)(void))
{
    char *path = mem_printf("%s/held-until", folder);

    while (path != NULL && held_until(path) > boot_ms()) {
        if (tick != NULL) {
            tick();
        }
        (void)poll(NULL, 0, LOOK_MS);
    }
    if (path != NULL) {
        (void)unlink(path);
    }
    mem_free(path);
}

static void write_held(const char *folder, uint32_t ms)
{
    char *path = mem_printf("%s/held-until", folder);
    FILE *out = path != NULL ? fopen(path, "we") : NULL;
    char id[BOOT_ID];

    boot_id(id);
    if (out != NULL) { /* without the file the fault is just shorter */
        (void)fprintf(out, "%s %llu\n", id, (unsigned long long)boot_ms() + ms);
        (void)fclose(out);
    }
    mem_free(path);
}

static void on_kill(void *arg, uint32_t ms)
{
    write_held(arg, ms);
    (void)raise(SIGKILL);
}

/* The loop stands still, so nobody is answered and nobody is hung up on; what
 * the strands do meanwhile nobody sees. A helper process that sends SIGCONT
 * would be one more thing to lose. */
static void on_pause(void *arg, uint32_t ms)
{
    uint64_t until = boot_ms() + ms;
    uint64_t now = boot_ms();

    (void)arg;
    while (now < until) { /* a signal does not end it */
        (void)poll(NULL, 0, (int)(until - now));
        now = boot_ms();
    }
}

struct daemon_process process_of(const char *folder)
{
    return (struct daemon_process){on_kill, on_pause,
                                   (void *)(uintptr_t)folder};
}
