# Tests are found by folder:
#   tests/unit/test_*.c, tests/property/test_*.c   cmocka, one program a file
#   tests/sim/*.c, tests/conformance/*.c           end in "N passed, N failed"
#   tests/system/*.bats, *.sh                      TAP, over the real programs
#   tests/fuzz/fuzz_NAME.c with corpus tests/fuzz/NAME/
#   tests/bench/bench_*.c, bench_*.sh              print figures
# tests/lib/*.c is linked to all of them. `make check` is tests/run.sh.

TEST_LIBS := $(call lib,test coord daemon ctl plan edge)

bins = $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard $(1))))
UNIT_BIN := $(call bins,tests/unit/test_*.c)
PROPERTY_BIN := $(call bins,tests/property/test_*.c)
SIM_BIN := $(call bins,tests/sim/*.c)
CONFORMANCE_BIN := $(call bins,tests/conformance/*.c)
BENCH_BIN := $(call bins,tests/bench/bench_*.c)
FUZZ_BIN := $(call bins,tests/fuzz/fuzz_*.c)

$(B)/tests/%: $(B)/obj/tests/%.o $(TEST_LIBS)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $(LINK_EXTRA) -o $@ $< \
	  -Wl,--start-group $(TEST_LIBS) -Wl,--end-group -lcmocka $(LIBS)

# The lab's delayer; where its library is missing, what needs it is skipped.
NETDELAY := $(if $(wildcard /usr/include/libnetfilter_queue/*.h),\
              $(B)/tests/lib/lab/netdelay)
$(B)/tests/lib/lab/netdelay: tests/lib/lab/netdelay.c $(B)/flags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -lnetfilter_queue \
	  -lnfnetlink

## tests        build every test program of this MODE
.PHONY: tests
tests: all $(UNIT_BIN) $(PROPERTY_BIN) $(SIM_BIN) $(CONFORMANCE_BIN) $(NETDELAY)

.PHONY: unit-programs
unit-programs: $(UNIT_BIN)

## unit         build and run the unit tests (ONLY=name: those of that name)
.PHONY: unit
unit: $(UNIT_BIN)
	$(Q)BUILD=$(O) tests/run.sh suite unit $(B) $(ONLY)

## check        everything; FAST=1 is short; MODE=asan|tsan just that mode
.PHONY: check
check:
	$(Q)AGAIN='make check' deploy/deps.sh build test
	$(Q)BUILD=$(O) FAST=$(FAST) tests/run.sh check \
	  $(if $(filter file,$(origin MODE)),,$(MODE))

## chaos        prove the promises under faults, one table (ONLY=P1,P2 SEED=n
##              ROW=name ITERS=n FAST=1 short; CONTROLS=1 negative controls too)
.PHONY: chaos
chaos:
	$(Q)AGAIN='make chaos' deploy/deps.sh build test
	$(Q)BUILD=$(O) FAST=$(FAST) CC="$(CC)" CONTROLS=$(CONTROLS) \
	  ONLY=$(ONLY) ROW="$(ROW)" SEED=$(SEED) ITERS=$(ITERS) \
	  tests/run.sh chaos

## lint         include arrows, sizes, banned words, layout of the source
.PHONY: lint
lint:
	$(Q)tests/lint/lint.sh

## fuzz         fuzz each parser for TIME=60 seconds (ONLY=name: just that)
.PHONY: fuzz fuzzers
fuzz:
	$(Q)BUILD=$(O) TIME=$(or $(TIME),60) tests/run.sh fuzz $(ONLY)
ifeq ($(MODE),fuzz)
$(FUZZ_BIN): LINK_EXTRA := -fsanitize=fuzzer
fuzzers: $(FUZZ_BIN)
endif

## bench        print the benchmarks' figures (ONLY=name: just that one)
.PHONY: bench
bench: all $(BENCH_BIN)
	$(Q)BUILD=$(O) tests/run.sh bench $(B) $(ONLY)
