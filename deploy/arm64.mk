# make arm64: everything for 64-bit ARM into build/arm64/, and the unit tests
# of it under qemu, as the cores of a Raspberry Pi 3 or Zero 2 (cortex-a53)
# and 4 (cortex-a72). For correctness: speed under qemu means nothing.
# What to copy to boards:  make MODE=arm64 install DESTDIR=FOLDER

ARM64_CC ?= aarch64-linux-gnu-gcc
CFLAGS_arm64 := -O2 -D_FORTIFY_SOURCE=2 -I/usr/include/aarch64-linux-gnu
ifeq ($(MODE)-$(origin AR),arm64-default)
AR := aarch64-linux-gnu-ar
endif

## arm64        cross-build all of it and run its unit tests under qemu
##              (ONLY=name: those of that name; SMOKE=1: a few)
.PHONY: arm64
arm64:
	$(Q)AGAIN='make arm64' deploy/deps.sh build arm64
	$(Q)$(MAKE) MODE=arm64 CC="$(ARM64_CC)" all unit-programs
	$(Q)BUILD=$(O) SMOKE=$(SMOKE) tests/run.sh arm64 $(ONLY)
