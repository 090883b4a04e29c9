/* Answers a LogRequest from the lines that a log remembers. */
#ifndef EDGE_RELAY_LOGS_H
#define EDGE_RELAY_LOGS_H

#include "net/io.h"

void relay_log_reply(struct log *log, struct io_peer *peer,
                     const Edged__LogRequest *request);

#endif
