/*
 * What every implementation of io.h must do, run over one world after the
 * other (io_world.h). Returns the number of failed tests.
 */
#ifndef EDGE_TESTS_IO_SUITE_H
#define EDGE_TESTS_IO_SUITE_H

#include "io_world.h"

int io_suite_run(const char *name, struct io_world *(*make)(void));

#endif
