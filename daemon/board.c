#include "daemon/board.h"

#include "base/limits.h"
#include "daemon/args.h"
#include "kernels/isa.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define KEEP_FREE MIB(48) /* of the board's memory, for everything else */

/* A number of kB from a "Name:   123 kB" line of a /proc file; 0: not there. */
static uint64_t proc_kib(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    size_t length = strlen(key);
    unsigned long long kib = 0;
    char line[160];

    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, length) == 0 &&
            sscanf(line + length, ": %llu", &kib) == 1) {
            break;
        }
    }
    (void)fclose(file);
    return kib;
}

static int32_t temperature(void)
{
    FILE *file = fopen("/sys/class/thermal/thermal_zone0/temp", "re");
    int millidegrees = 0;

    if (file != NULL) {
        if (fscanf(file, "%d", &millidegrees) != 1) {
            millidegrees = 0;
        }
        (void)fclose(file);
    }
    return millidegrees;
}

void board_read(struct board *board)
{
    uint64_t available = proc_kib("/proc/meminfo", "MemAvailable") * 1024;

    board->free_bytes = available > KEEP_FREE ? available - KEEP_FREE : 0;
    board->rss = proc_kib("/proc/self/status", "VmRSS") * 1024;
    board->temperature_mc = temperature();
    board->pid = (uint32_t)getpid();
}

/* ---- its kind -------------------------------------------------------------
 */

/* The first line of a file that begins with `key` (NULL: any), without it. */
static bool read_line(const char *path, const char *key, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    bool found = false;
    char line[512];

    if (file == NULL) {
        return false;
    }
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        const char *text = line;

        if (key != NULL && strncmp(line, key, strlen(key)) != 0) {
            continue;
        }
        text += key != NULL ? strlen(key) : 0;
        text += strspn(text, " \t:");
        (void)snprintf(out, size, "%s", text);
        out[strcspn(out, "\n")] = '\0';
        found = out[0] != '\0';
    }
    (void)fclose(file);
    return found;
}

/* Boards say what they are; a PC says what its processor is. */
static void read_model(char *out, size_t size)
{
    static const char info[] = "/proc/cpuinfo";

    if (!read_line("/proc/device-tree/model", NULL, out, size) &&
        !read_line(info, "model name", out, size) &&
        !read_line(info, "Model", out, size) &&
        !read_line(info, "CPU part", out, size)) {
        (void)snprintf(out, size, "unknown processor");
    }
    for (char *c = out; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            *c = '?'; /* it goes into tables and files */
        }
    }
}

static double less(double a, double b)
{
    return a > 0 && (b <= 0 || a < b) ? a : b;
}

/* Two numbers, of one file or of two; 0: there is no limit, or no file. */
static double quota_of(const char *one, const char *two)
{
    char text[80];
    double quota = 0;
    double period = 0;
    int n;

    if (!read_line(one, NULL, text, sizeof(text))) {
        return 0;
    }
    n = sscanf(text, "%lf %lf", &quota, &period);
    if (n == 1 && two != NULL && read_line(two, NULL, text, sizeof(text))) {
        n += sscanf(text, "%lf", &period);
    }
    return n == 2 && quota > 0 && period > 0 ? quota / period : 0;
}

/* Of a group and those above it, each within the next, in either version. */
static double quota_within(const char *base, char *folder)
{
    double least = 0;
    char max[640];
    char quota[640];
    char period[640];

    while (folder[0] == '/' && folder[1] != '\0') {
        (void)snprintf(max, sizeof(max), "%s%s/cpu.max", base, folder);
        (void)snprintf(quota, sizeof(quota), "%s%s/cpu.cfs_quota_us", base,
                       folder);
        (void)snprintf(period, sizeof(period), "%s%s/cpu.cfs_period_us", base,
                       folder);
        least = less(quota_of(max, NULL), least);
        least = less(quota_of(quota, period), least);
        *strrchr(folder, '/') = '\0';
    }
    return least;
}

double board_share(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    double least = 0;
    char line[600];

    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), file) != NULL) { /* 4:cpu,cpuacct:/a/b */
        char *names = strchr(line, ':');
        char *folder = names != NULL ? strchr(names + 1, ':') : NULL;

        if (folder == NULL) {
            continue;
        }
        folder[strcspn(folder, "\n")] = '\0';
        *folder++ = '\0';
        if (names[1] == '\0') {
            least = less(quota_within("/sys/fs/cgroup", folder), least);
        } else if (strstr(names, "cpu") != NULL &&
                   strstr(names, "cpuset") == NULL) {
            least = less(quota_within("/sys/fs/cgroup/cpu", folder), least);
        }
    }
    (void)fclose(file);
    return least;
}

void board_kind(char out[BOARD_KIND])
{
    double share = board_share();
    char limit[32] = "";
    char model[96];
    cpu_set_t set;

    CPU_ZERO(&set);
    (void)sched_getaffinity(0, sizeof(set), &set);
    read_model(model, sizeof(model));
    if (share > 0) {
        (void)snprintf(limit, sizeof(limit), ", %.2f of them", share);
    }
    (void)snprintf(out, BOARD_KIND, "%s, %d cpus%s, %s, edged %s", model,
                   CPU_COUNT(&set), limit, isa_best()->name, EDGE_VERSION);
}

void board_machine(char out[BOARD_MACHINE])
{
    if (!read_line("/proc/sys/kernel/random/boot_id", NULL, out,
                   BOARD_MACHINE)) {
        out[0] = '\0';
    }
}

uint64_t board_cpu_us(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0) {
        return 0;
    }
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t board_peak(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) < 0) {
        return 0;
    }
    return (uint64_t)usage.ru_maxrss << 10;
}
