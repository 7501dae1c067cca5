# bert4c: `make`, `make test`, `make run`, `make help`.
VERSION := 0.1.0
BUILD   ?= build
CC      ?= cc
OPT     ?= -O2 -g
PREFIX  ?= /usr/local
ARCH    := $(shell $(CC) -dumpmachine | cut -d- -f1)

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes
DEPS    := jansson libutf8proc
CPPFLAGS += -Iinclude -Isrc -D_GNU_SOURCE $(shell pkg-config --cflags $(DEPS))
# -ffp-contract=off: sums and products happen as written, so that results are the same on every path that claims to be.
CFLAGS  += -std=c11 $(OPT) $(WARN) $(WERROR) -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(SAN)
LDLIBS  += $(shell pkg-config --libs $(DEPS)) -lm -pthread
LDFLAGS += $(SAN)

# Instruction-set flags stand on the files of that set only: src/math/*_avx2.c and so on.
ISA_x86_64  := avx2 avx512 amx
ISA_aarch64 := neon
FLAGS_avx2   := -mavx2 -mfma -mf16c
FLAGS_avx512 := -march=x86-64-v4 -mavx512bf16 -mavx512vnni
FLAGS_amx    := $(FLAGS_avx512) -mamx-tile -mamx-int8 -mamx-bf16
ALL_ISA := avx2 avx512 amx neon

SRC := $(wildcard src/*/*.c src/model/format/*.c)
SRC := $(filter-out $(foreach i,$(filter-out $(ISA_$(ARCH)),$(ALL_ISA)),%_$(i).c),$(SRC))
OBJ := $(SRC:%.c=$(BUILD)/%.o)
CLI := $(wildcard cli/*.c)
CLI_OBJ := $(CLI:%.c=$(BUILD)/%.o)
LIB := $(BUILD)/libbert4c.a
SO  := $(BUILD)/libbert4c.so
BIN := $(BUILD)/bert4c

all: $(BIN) $(SO)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(ISA_FLAGS) -MMD -MP -c $< -o $@
$(foreach i,$(ALL_ISA),$(eval $(BUILD)/src/math/%_$(i).o: ISA_FLAGS = $(FLAGS_$(i))))

$(LIB): $(OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
$(SO): $(OBJ)
	$(CC) -shared $(LDFLAGS) -Wl,-soname,libbert4c.so.0 -o $@ $^ $(LDLIBS)
$(BIN): $(CLI_OBJ) $(LIB)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(shell pkg-config --libs libcurl)

-include $(OBJ:.o=.d) $(CLI_OBJ:.o=.d)
clean:
	rm -rf $(BUILD)
.PHONY: all clean
