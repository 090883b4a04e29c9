/*
 * What faults on purpose do to this process: end it and hold it back, or make
 * it stand still. For the main program; the daemon itself knows
 * struct daemon_process alone.
 *
 * Who was killed on purpose leaves `held-until` in its state folder: the boot
 * it belongs to, and a time since that boot. A daemon that finds it at its
 * start waits before it opens anything, so that whoever restarts it at once
 * (a supervisor, systemd) needs to know nothing of faults. Removing the file
 * ends the wait.
 */
#ifndef EDGED_PROCESS_H
#define EDGED_PROCESS_H

#include "daemon/daemon.h"

/* Waits while the folder says so; `tick` (may be NULL) is called now and
 * then, to keep a service manager patient. */
void process_wait_held(const char *folder, void (*tick)(void));

/* For daemon_config: `folder` is borrowed. */
struct daemon_process process_of(const char *folder);

#endif
