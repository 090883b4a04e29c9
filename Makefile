# edged: one non-recursive build into build/<mode>/.  `make help` lists the
# targets and the variables.

MODE ?= release
O ?= build
ifeq ($(origin CC),default)
CC := $(if $(filter arm64,$(MODE)),aarch64-linux-gnu-)gcc
endif
IS_CLANG := $(filter clang%,$(notdir $(CC)))
B := $(O)/$(MODE)$(if $(IS_CLANG),$(if $(filter fuzz,$(MODE)),,-clang))

MODES := release debug faulty asan tsan fuzz arm64
ifeq ($(filter $(MODE),$(MODES)),)
$(error MODE=$(MODE) is not one of: $(MODES))
endif

# Short lines by default; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n' '$(1)' '$(2)')

# ---- flags ----------------------------------------------------------------
WARN := -Wall -Wextra -Wconversion -Wshadow -Werror -Wstrict-prototypes \
        -Wmissing-prototypes -Wundef -Wvla
BASE_CFLAGS := -std=gnu11 -g -fno-strict-aliasing -fstack-protector-strong \
               -D_GNU_SOURCE -Icommon -I. -I$(B)/gen -MMD -MP
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2
CFLAGS_debug := -O0
# Failpoints and negative controls (common/base/failpoint.h).
CFLAGS_faulty := -O2 -D_FORTIFY_SOURCE=2 -DEDGE_FAILPOINTS
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
               -fno-omit-frame-pointer
CFLAGS_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined \
               -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_fuzz := -fsanitize=address,undefined
# Sanitizers rewrite expressions before gcc warns about them, wrongly.
WARN_USED := $(if $(filter release debug faulty arm64,$(MODE)),$(WARN),-w)
ALL_CFLAGS = $(BASE_CFLAGS) $(WARN_USED) $(CFLAGS_$(MODE)) $(CFLAGS)
ALL_LDFLAGS = $(LDFLAGS_$(MODE)) $(LDFLAGS) -Wl,--as-needed

include deploy/libs.mk

# ---- sources: one list per layer, found by folder -------------------------
LAYERS := base tensor graph onnx kernels engine train codec chain image dataset config pki wire net relay
src = $(sort $(wildcard $(addsuffix /*.c,$(1))))
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

PROTOS := $(sort $(wildcard proto/*.proto))
PB_SRC := $(patsubst proto/%.proto,$(B)/gen/%.pb-c.c,$(PROTOS)) \
          $(B)/gen/onnx.pb-c.c
PB_OBJ := $(PB_SRC:.c=.o)

SRC_edge := $(foreach l,$(LAYERS),$(call src,common/$(l)))
SRC_plan := $(call src,coordinator/plan)
SRC_daemon := $(filter-out daemon/main.c,$(call src,daemon))
SRC_coord := $(filter-out coordinator/main.c,$(call src,coordinator)) \
             $(call src,coordinator/http coordinator/train)
SRC_ctl := $(filter-out coordinator/ctl/main.c,$(call src,coordinator/ctl))

OBJ_edge := $(call obj,$(SRC_edge)) $(PB_OBJ)
OBJ_plan := $(call obj,$(SRC_plan))
OBJ_daemon := $(call obj,$(SRC_daemon))
OBJ_coord := $(call obj,$(SRC_coord))
OBJ_ctl := $(call obj,$(SRC_ctl))
OBJ_test := $(call obj,$(call src,tests/lib))

# Archives, so that a program takes only the objects that it needs. A folder
# that is still empty has no archive.
lib = $(foreach l,$(1),$(if $(OBJ_$(l)),$(B)/lib$(l).a))
LIBEDGE := $(call lib,edge)

main = $(if $(wildcard $(2)),$(B)/$(1))
EDGED := $(call main,edged,daemon/main.c)
COORDINATOR := $(call main,edge-coordinator,coordinator/main.c)
EDGECTL := $(call main,edgectl,coordinator/ctl/main.c)
BINS := $(EDGED) $(COORDINATOR) $(EDGECTL)

## all          build edged, edge-coordinator and edgectl (the default)
.PHONY: all
all: $(BINS)

# ---- rules ----------------------------------------------------------------
.PRECIOUS: $(B)/obj/%.o
.DELETE_ON_ERROR:

$(B)/edged: $(call obj,daemon/main.c) $(call lib,daemon edge)
$(B)/edge-coordinator: $(call obj,coordinator/main.c) \
                       $(call lib,coord plan edge)
$(B)/edgectl: $(call obj,coordinator/ctl/main.c) $(call lib,ctl plan edge)
$(BINS):
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# Writes $(2) to the file $(1) only if it says something else.
note = mkdir -p $(dir $(1)) && { printf '%s\n' '$(2)' | cmp -s - $(1) || \
       printf '%s\n' '$(2)' >$(1); }

# The list notices an object that is gone; times alone would not.
define archive
$(B)/lib$(1).list: FORCE
	$$(Q)$$(call note,$$@,$$(OBJ_$(1)))
$(B)/lib$(1).a: $$(OBJ_$(1)) $(B)/lib$(1).list
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) qcs $$@ $$(OBJ_$(1))
endef
$(foreach l,edge plan daemon coord ctl test,$(eval $(call archive,$(l))))

# A kernel writes out its order of summation, so it may be vectorised and
# contracted freely and still gives the same bits (docs/decisions/0003). gcc
# contracts from -O2 on, so no mode builds kernels with less.
KERNEL_OPT := $(if $(filter release faulty arm64,$(MODE)),-O3,-O2) -ffp-contract=fast
$(B)/obj/common/kernels/%.o: EXTRA := $(KERNEL_OPT)
# What goes over links must be the same bytes from every kind of CPU, with
# fused multiply-add and without.
$(B)/obj/common/codec/%.o: EXTRA := -ffp-contract=off
# Seeded weights are the same bits everywhere, too.
$(B)/obj/common/onnx/zoo_%.o: EXTRA := -ffp-contract=off
# Likewise a sample must be augmented the same whichever board does it.
$(B)/obj/common/dataset/%.o: EXTRA := -ffp-contract=off
# The bodies unrolled for an instruction set take sanitizers minutes and have
# no arithmetic for UBSan. gcc's ASan watches them; no fuzz target needs to.
ISA_SANITIZE := -fno-sanitize=$(if $(filter fuzz,$(MODE)),all,undefined)
$(B)/obj/common/kernels/isa_%.o: EXTRA := $(KERNEL_OPT) -g1 $(ISA_SANITIZE)
$(B)/obj/%.o: %.c $(B)/flags | $(PB_SRC)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA) -c -o $@ $<

# Generated code is not ours to warn about.
$(B)/gen/onnx.pb-c.c: /usr/include/onnx/onnx.proto
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(@D) && protoc-c --proto_path=$(<D) --c_out=$(@D) $<
$(B)/gen/%.pb-c.c: proto/%.proto $(PROTOS)
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(@D) && protoc-c --proto_path=proto --c_out=$(@D) $<
$(B)/gen/%.o: $(B)/gen/%.c $(B)/flags | $(PB_SRC)
	$(Q)$(CC) $(filter-out -W%,$(ALL_CFLAGS)) -w -c -o $@ $<

# What `edged --print-limits` prints: every #define of limits.h that has no
# parameters, with its comment.
$(B)/gen/base/limits_rows.h: common/base/limits.h
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && sed -nE \
	  's|^#define ([A-Z0-9_]+) [^/]+(/\* (.*) \*/)?$$|ROW(\1, "\3")|p' $< >$@
$(B)/obj/common/base/limits_list.o: $(B)/gen/base/limits_rows.h

# Everything is compiled again when the compiler or its flags change.
FLAGS = $(CC) $(ALL_CFLAGS) $(KERNEL_OPT)
$(B)/flags: FORCE
	$(Q)$(call note,$@,$(FLAGS))
.PHONY: FORCE
FORCE:

include deploy/install.mk
include deploy/arm64.mk
include tests/tests.mk

# ---- the README's two commands --------------------------------------------
## demo         install what is missing, build, and show a small cluster
.PHONY: demo
demo:
	$(Q)AGAIN='make demo' deploy/deps.sh build
	$(Q)$(MAKE) all
	$(Q)BIN=$(B) deploy/demo.sh

# ---- housekeeping ---------------------------------------------------------
## format       let clang-format lay out every source
SOURCES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
.PHONY: format
format:
	$(Q)clang-format -i $(SOURCES)

## clean        remove build/
.PHONY: clean
clean:
	rm -rf $(O)

## help         this list
.PHONY: help
help:
	@sed -n 's/^## /  make /p' $(MAKEFILE_LIST)
	@printf '%s\n' '' \
	  '  MODE=release|debug|faulty|asan|tsan|arm64   CC=gcc|clang   V=1 shows commands' \
	  '  O=DIR builds elsewhere than build/   DEPS=no installs nothing'

ifeq ($(filter clean help format demo check arm64 uninstall,$(MAKECMDGOALS)),)
-include $(wildcard $(addprefix $(B)/,obj/*/*.d obj/*/*/*.d gen/*.d))
endif
