/* What all ios do, over TLS with certificates at both ends. */
#include "tests/lib/io_suite.h"

int main(void)
{
    return io_suite_run("io over TLS", io_world_tls);
}
