/* What a TLS client says first. */
#ifndef EDGE_TESTS_TLS_HELLO_H
#define EDGE_TESTS_TLS_HELLO_H

#include <stddef.h>
#include <stdint.h>

/* A ClientHello that a node would answer; its size. */
size_t tls_hello(uint8_t *out, size_t size);

#endif
