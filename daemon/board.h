/* What this board has: memory, and how warm it is. */
#ifndef EDGED_BOARD_H
#define EDGED_BOARD_H

#include <stdint.h>

struct board {
    uint64_t free_bytes;    /* that shards may fill, besides what they fill */
    uint64_t rss;           /* of this process */
    int32_t temperature_mc; /* millidegrees; 0: unknown */
    uint32_t pid;           /* of this process */
    double macs_per_s;      /* of a test: so fast it is; else 0 */
};

#define BOARD_KIND 192   /* bytes of a kind's name, with its NUL */
#define BOARD_MACHINE 40 /* likewise of a machine's */

/* Reads files that the kernel makes in memory: it does not block. */
void board_read(struct board *board);

/* What boards that compute alike have in common: the processor, how many of
 * them this process may use and how much of their time, and the program. */
void board_kind(char out[BOARD_KIND]);
/* What daemons on one machine have in common, also in containers and network
 * namespaces: its kernel, since it booted. "": not known. */
void board_machine(char out[BOARD_MACHINE]);
/* How many processors' worth of time the control groups of this process allow
 * it; 0: as much as there is. */
double board_share(void);
/* The most bytes that this process has had in memory at once. */
uint64_t board_peak(void);
/* Processor's time that the calling thread has used. */
uint64_t board_cpu_us(void);

#endif
