#include "daemon/heat.h"

#include "wire/throttle.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

/* soc/soc:firmware, on newer boards soc@107c000000/soc@107c000000:firmware */
#define FIRMWARE "devices/platform/soc*/*firmware/get_throttled"
#define COOLING "class/thermal/cooling_device*"

static void keep(struct heat *heat, const char *folder, const char *name)
{
    int n = snprintf(heat->paths[heat->n], HEAT_PATH, "%s%s", folder, name);

    heat->n += n > 0 && n < HEAT_PATH ? 1 : 0;
}

/* "cpufreq-cpu0", "thermal-cpufreq-1": not a fan. */
static bool holds_clocks_down(const char *folder)
{
    char path[HEAT_PATH];
    char type[64] = "";
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/type", folder);
    file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    if (fgets(type, sizeof(type), file) == NULL) {
        type[0] = '\0';
    }
    (void)fclose(file);
    return strstr(type, "cpufreq") != NULL;
}

/* Of what matches below `sys`. */
static void find(struct heat *heat, const char *sys, const char *pattern)
{
    char path[HEAT_PATH];
    glob_t found;

    (void)snprintf(path, sizeof(path), "%s/%s", sys, pattern);
    if (glob(path, 0, NULL, &found) != 0) {
        return; /* nothing there, or no memory for it */
    }
    for (size_t i = 0; i < found.gl_pathc && heat->n < HEAT_FILES; i++) {
        if (heat->is_firmware) {
            keep(heat, found.gl_pathv[i], "");
            break;
        }
        if (holds_clocks_down(found.gl_pathv[i])) {
            keep(heat, found.gl_pathv[i], "/cur_state");
        }
    }
    globfree(&found);
}

void heat_find(struct heat *heat, const char *sys)
{
    *heat = (struct heat){.is_firmware = true};
    find(heat, sys, FIRMWARE);
    if (heat->n == 0) {
        heat->is_firmware = false;
        find(heat, sys, COOLING);
    }
}

/* A number of that base; 0 where there is none. */
static uint32_t read_number(const char *path, bool is_hex)
{
    FILE *file = fopen(path, "re");
    unsigned bits = 0;
    int state = 0;
    int n;

    if (file == NULL) {
        return 0;
    }
    n = is_hex ? fscanf(file, "%x", &bits) : fscanf(file, "%d", &state);
    (void)fclose(file);
    if (n != 1) {
        return 0;
    }
    return is_hex ? bits : state > 0 ? 1 : 0;
}

uint32_t heat_read(const struct heat *heat)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < heat->n; i++) {
        uint32_t said = read_number(heat->paths[i], heat->is_firmware);

        bits |= heat->is_firmware ? said & THROTTLE_ALL
                : said != 0       ? THROTTLE_CAPPED
                                  : 0;
    }
    return bits;
}
