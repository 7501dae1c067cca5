# bert4c: `make help` lists what this file can do. Everything it makes lies under $(BUILD).

BUILD      ?= build
CC         ?= cc
OPT        ?= -O2 -g
WERROR     ?=
PREFIX     ?= /usr/local
PKG_CONFIG ?= pkg-config
# Program that runs what was built for another machine; see `neon`.
RUN        ?=
# `make test KINDS=unit ONLY="tape pool"` runs the tests whose path contains one of the words.
KINDS      ?= unit kernels grad laws golden cli server docs
ONLY       ?=
V          ?= 0
MAKEFLAGS  += --no-print-directory
Q          := $(if $(filter 1,$(V)),,@)

VERSION := $(shell sed -n 's/^\#define B4C_VERSION "\(.*\)"/\1/p' include/bert4c.h)
SOMAJOR := $(firstword $(subst ., ,$(VERSION)))
ARCH    := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))

# ---- flags --------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes
DEPS := jansson libutf8proc
DEPS_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(DEPS))
DEPS_LIBS   := $(shell $(PKG_CONFIG) --libs $(DEPS))

CPPFLAGS += -Iinclude -D_GNU_SOURCE $(DEPS_CFLAGS)
# -ffp-contract=off: products and sums round as written, so that paths which claim equal bits have them.
CFLAGS  += -std=c11 $(OPT) $(WARN) $(WERROR) -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(SAN)
LDFLAGS += $(SAN)
LDLIBS  += $(DEPS_LIBS) -lm -pthread

# Only src/ and tests/ may look inside the library; the others see include/ and their own folder.
INSIDE  := -Isrc
OUTSIDE := -I.

# Instruction-set flags stand on that set's files only (src/math/*_avx2.c ...): elsewhere a compiler would use
# the wider instructions on machines that lack them.
ALL_ISA      := avx2 avx512 amx neon
ISA_x86_64   := avx2 avx512 amx
ISA_aarch64  := neon
FLAGS_avx2   := -mavx2 -mfma -mf16c
FLAGS_avx512 := -march=x86-64-v4 -mavx512bf16 -mavx512vnni
FLAGS_amx    := $(FLAGS_avx512) -mamx-tile -mamx-int8 -mamx-bf16
FLAGS_neon   :=

# ---- files --------------------------------------------------------------------------------------

ISA_FILES := $(foreach i,$(ALL_ISA),%_$(i).c)
SRC := $(sort $(wildcard src/*/*.c src/*/*/*.c))
SRC := $(filter-out $(foreach i,$(filter-out $(ISA_$(ARCH)),$(ALL_ISA)),%_$(i).c),$(SRC))
MPI_SRC := cli/ranks_mpi.c
CLI := $(filter-out $(MPI_SRC),$(sort $(wildcard cli/*.c)))
OBJ     := $(SRC:%.c=$(BUILD)/%.o) $(BUILD)/src/text/words_data.o
CLI_OBJ := $(CLI:%.c=$(BUILD)/%.o)

LIB := $(BUILD)/libbert4c.a
SO  := $(BUILD)/libbert4c.so.$(VERSION)
BIN := $(BUILD)/bert4c

# The rooms that gradients pass through, again, with b4c_real as double and scalar kernels only.
DOUBLE_SRC := $(filter-out $(ISA_FILES),$(filter src/base/% src/text/% src/math/% src/tape/% src/model/% src/train/%,$(SRC)))
DOUBLE_OBJ := $(DOUBLE_SRC:%.c=$(BUILD)/double/%.o)
DOUBLE_LIB := $(BUILD)/double/libbert4c.a

# tests/KIND/test_*.c are programs; other files beside them and in tests/support are linked to those that use them.
wanted = $(if $(ONLY),$(sort $(foreach t,$(1),$(foreach w,$(ONLY),$(if $(findstring $(w),$(t)),$(t))))),$(1))
TEST_SRC    := $(call wanted,$(sort $(foreach k,$(KINDS),$(wildcard tests/$(k)/test_*.c))))
TEST_BIN    := $(TEST_SRC:%.c=$(BUILD)/%)
TEST_SH     := $(call wanted,$(sort $(foreach k,$(KINDS),$(wildcard tests/$(k)/test_*.sh))))
HELPERS     := $(filter-out tests/fuzz/% $(wildcard tests/*/test_*.c),$(wildcard tests/*/*.c))
SUPPORT_LIB := $(BUILD)/tests/libsupport.a
GRAD_SUPPORT_LIB := $(BUILD)/double/tests/libsupport.a

# Golden files of which there are many stand in archives; tests find them unpacked beside these.
PACKED   := models formats train
UNPACKED := $(PACKED:%=tests/golden/%/.unpacked)

EXAMPLE_BIN := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard examples/*.c)))
BENCH_SRC   := $(sort $(wildcard bench/bench_*.c))
BENCH_BIN   := $(BENCH_SRC:%.c=$(BUILD)/%)
BENCH_OBJ   := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(BENCH_SRC),$(wildcard bench/*.c)))
FUZZ_BIN    := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

all: $(BIN) $(SO) $(BUILD)/libbert4c.so $(BUILD)/bert4c.pc

# ---- objects ------------------------------------------------------------------------------------

# Rewritten only when a flag or the list of sources changes; then what depends on it is made again.
define note
	@mkdir -p $(@D); printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' > $@
endef
$(BUILD)/flags: FORCE
	$(call note,$(CC) $(CPPFLAGS) $(CFLAGS) $(foreach i,$(ALL_ISA),$(FLAGS_$(i))))
$(BUILD)/sources: FORCE
	$(call note,$(SRC) $(HELPERS))

define compile
	@mkdir -p $(@D)
	@$(if $(Q),echo "  CC      $@",:)
	$(Q)$(CC) $(CPPFLAGS) $(ROOM) $(CFLAGS) $(ISA_FLAGS) -MMD -MP -c $< -o $@
endef
define archive
	@$(if $(Q),echo "  AR      $@",:)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)
endef
define link
	@$(if $(Q),echo "  LD      $@",:)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(1) $(LDLIBS)
endef

$(BUILD)/%.o: %.c $(BUILD)/flags
	$(compile)
$(BUILD)/double/%.o: %.c $(BUILD)/flags
	$(compile)
$(BUILD)/src/%.o $(BUILD)/double/%.o: ROOM = $(INSIDE)
$(BUILD)/double/%.o: ROOM = $(INSIDE) -Itests -DB4C_DOUBLE
$(BUILD)/tests/%.o: ROOM = $(INSIDE) -Itests
$(BUILD)/cli/%.o $(BUILD)/bench/%.o $(BUILD)/examples/%.o: ROOM = $(OUTSIDE)
# A product alone is no public call.
$(BUILD)/bench/bench_kernels.o: ROOM = $(OUTSIDE) $(INSIDE)
$(foreach i,$(ALL_ISA),$(eval $(BUILD)/src/math/%_$(i).o: ISA_FLAGS = $(FLAGS_$(i))))

# The word dictionary: compiled by a tool that runs here, then part of the library (src/text/words_data.S).
HOST_CC  ?= cc
WORDS    := $(BUILD)/words.bin
WORD_SRC := tools/make_words.c src/text/trie.c src/text/utf8.c src/base/error.c
$(BUILD)/make_words: $(WORD_SRC) src/text/words_file.h src/text/trie.h
	@mkdir -p $(@D)
	@$(if $(Q),echo "  HOSTCC  $@",:)
	$(Q)$(HOST_CC) -std=c11 -O2 $(WARN) -Iinclude -Isrc -D_GNU_SOURCE -o $@ $(WORD_SRC) -lz
$(WORDS): $(BUILD)/make_words $(wildcard data/words/*.gz)
	@$(if $(Q),echo "  WORDS   $@",:)
	$(Q)$(BUILD)/make_words data/words/jieba-0.42.1.dict.txt.gz data/words/jieba-0.42.1.hmm.txt.gz $@
$(BUILD)/src/text/words_data.o: src/text/words_data.S $(WORDS)
	@mkdir -p $(@D)
	$(Q)$(CC) -DB4C_WORDS_FILE='"$(WORDS)"' -c $< -o $@

# ---- library and command ------------------------------------------------------------------------

$(LIB): $(OBJ) $(BUILD)/sources
	$(archive)
$(SO): $(OBJ) $(BUILD)/sources
	@$(if $(Q),echo "  LD      $@",:)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libbert4c.so.$(SOMAJOR) -o $@ $(filter %.o,$^) $(LDLIBS)
	@ln -sf $(@F) $(BUILD)/libbert4c.so.$(SOMAJOR)
$(BUILD)/libbert4c.so: $(SO)
	@ln -sf libbert4c.so.$(SOMAJOR) $@
$(BIN): LDLIBS += $(shell $(PKG_CONFIG) --libs libcurl)
$(BIN): $(CLI_OBJ) $(LIB)
	$(link)
# Training on many machines: Open MPI is loaded by those that mpirun starts, so it is no part of the command.
MPI_SO := $(BUILD)/bert4c-mpi.so
MPICC  ?= mpicc
HAS_MPI = $(if $(SAN),,$(shell command -v $(MPICC)))
mpi: $(MPI_SO)
$(MPI_SO): $(MPI_SRC) cli/ranks_mpi.h include/bert4c.h
	@mkdir -p $(@D)
	@$(if $(Q),echo "  MPICC   $@",:)
	$(Q)$(MPICC) $(CPPFLAGS) $(OUTSIDE) $(filter-out $(SAN),$(CFLAGS)) -shared -o $@ $<
$(BUILD)/bert4c.pc: include/bert4c.h Makefile
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$${prefix}/include' 'libdir=$${prefix}/lib' '' \
	    'Name: bert4c' 'Description: Language models of the BERT family on ordinary CPUs' \
	    'Version: $(VERSION)' 'Requires.private: $(DEPS)' 'Cflags: -I$${includedir}' \
	    'Libs: -L$${libdir} -lbert4c' 'Libs.private: -lm -pthread' > $@

lib: $(LIB) $(SO) $(BUILD)/libbert4c.so
examples: $(EXAMPLE_BIN)
$(BUILD)/examples/%: $(BUILD)/examples/%.o $(LIB)
	$(link)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/
	[ ! -f $(MPI_SO) ] || install -D -m 755 $(MPI_SO) $(DESTDIR)$(PREFIX)/lib/bert4c-mpi.so
	install -m 644 include/bert4c.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(LIB) $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(SO) $(DESTDIR)$(PREFIX)/lib/
	ln -sf $(notdir $(SO)) $(DESTDIR)$(PREFIX)/lib/libbert4c.so.$(SOMAJOR)
	ln -sf libbert4c.so.$(SOMAJOR) $(DESTDIR)$(PREFIX)/lib/libbert4c.so
	rm -f $(BUILD)/bert4c.pc && $(MAKE) --no-print-directory $(BUILD)/bert4c.pc
	install -m 644 $(BUILD)/bert4c.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/
	for page in $(wildcard man/*.1); do \
	    install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man1/$$(basename $$page) || exit 1; done

# ---- tests --------------------------------------------------------------------------------------

test: test-bin $(if $(TEST_SH)$(filter tests/cli/% tests/server/% tests/docs/% tests/real/%,$(TEST_SRC)),$(BIN) $(if $(HAS_MPI),$(MPI_SO))) examples
	$(Q)BUILD=$(BUILD) RUN='$(RUN)' sh tools/test.sh $(TEST_BIN) $(TEST_SH)
test-bin: $(TEST_BIN) $(UNPACKED)
tests/golden/%/.unpacked: tests/golden/%.tar.xz
	$(Q)tar -C tests/golden -xJf $< && touch $@
# For those who have changed what is unpacked: into the archives again, which are the same for the same files.
pack-golden:
	$(Q)for d in $(PACKED); do tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=u=rwX,go=rX \
	    --exclude='*.py' --exclude=.unpacked -C tests/golden -c $$d | xz -9e > tests/golden/$$d.tar.xz || exit 1; \
	    touch tests/golden/$$d/.unpacked; done
# On real models and corpora, which the repository does not hold: each says what it skips.
test-real:
	$(Q)$(MAKE) --no-print-directory test KINDS=real

# A million calls, after which memory must be what it was: hours are for people, not for `make test`.
SOAK_CALLS ?= 1000000
soak:
	$(Q)SOAK_CALLS=$(SOAK_CALLS) TEST_TIME=86400 $(MAKE) --no-print-directory test KINDS=laws ONLY=laws/test_encode

$(SUPPORT_LIB): $(HELPERS:%.c=$(BUILD)/%.o) $(BUILD)/sources
	$(archive)
$(GRAD_SUPPORT_LIB): $(HELPERS:%.c=$(BUILD)/double/%.o) $(BUILD)/sources
	$(archive)
$(DOUBLE_LIB): $(DOUBLE_OBJ) $(BUILD)/sources
	$(archive)
$(BUILD)/tests/grad/%: $(BUILD)/double/tests/grad/%.o $(GRAD_SUPPORT_LIB) $(DOUBLE_LIB)
	@mkdir -p $(@D)
	$(call link,-lcmocka)
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT_LIB) $(LIB)
	$(call link,-lcmocka)

# Each sanitizer and each other compiler builds into a folder of its own.
asan: ; $(Q)$(MAKE) BUILD=$(BUILD)/asan OPT="-O1 -g" SAN="-fsanitize=address -fno-omit-frame-pointer" test
ubsan: ; $(Q)$(MAKE) BUILD=$(BUILD)/ubsan OPT="-O1 -g" SAN="-fsanitize=undefined -fno-sanitize-recover=all" test
# Both at once, for when time counts.
asan-ubsan: ; $(Q)$(MAKE) BUILD=$(BUILD)/asan-ubsan OPT="-O1 -g" \
    SAN="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" test
tsan: ; $(Q)$(MAKE) BUILD=$(BUILD)/tsan OPT="-O1 -g" SAN="-fsanitize=thread" test
clang: ; $(Q)$(MAKE) BUILD=$(BUILD)/clang CC=clang WERROR=-Werror all test-bin examples
# For 64-bit ARM, run by qemu-user. `scripts/setup.sh arm` brings what it needs.
neon:
	$(Q)PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig $(MAKE) BUILD=$(BUILD)/neon CC=aarch64-linux-gnu-gcc \
	    AR=aarch64-linux-gnu-ar RUN=qemu-aarch64 KINDS="$(filter unit kernels,$(KINDS))" test

# ---- fuzzing ------------------------------------------------------------------------------------

# libFuzzer where clang has it; elsewhere the same functions under tools/fuzz_driver.c. FUZZ_TIME: seconds a target.
FUZZ_TIME ?= 60
HAS_LIBFUZZER = $(shell echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n); int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { (void)d; (void)n; return 0; }' \
    | clang -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null && echo yes)
# Kernels are built plain there: no bytes from outside reach them, and clang takes minutes to watch them.
ifeq ($(FUZZING),yes)
$(BUILD)/src/math/%.o: override SAN :=
endif
fuzz:
	$(Q)$(MAKE) BUILD=$(BUILD)/fuzz FUZZING=yes OPT="-O1 -g" $(if $(HAS_LIBFUZZER),CC=clang LIBFUZZER=yes) \
	    SAN="-fsanitize=address,undefined -fno-sanitize-recover=all$(if $(HAS_LIBFUZZER), -fsanitize=fuzzer-no-link)" fuzz-run
fuzz-run: $(FUZZ_BIN)
	$(Q)BUILD=$(BUILD) FUZZ_TIME=$(FUZZ_TIME) sh tools/fuzz.sh $(FUZZ_BIN)
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(if $(LIBFUZZER),,$(BUILD)/tools/fuzz_driver.o) $(SUPPORT_LIB) $(LIB)
	$(call link,$(if $(LIBFUZZER),-fsanitize=fuzzer))
$(BUILD)/tools/%.o: ROOM = $(INSIDE)

# ---- the rest -----------------------------------------------------------------------------------

bench: $(BENCH_BIN) $(BIN)
	$(Q)if [ -f bench/run.sh ]; then BUILD=$(BUILD) sh bench/run.sh; \
	    else for b in $(BENCH_BIN); do echo "== $$b"; $$b || exit 1; done; fi
bench-bin: $(BENCH_BIN)
$(BUILD)/bench/%: $(BUILD)/bench/%.o $(BENCH_OBJ) $(LIB)
	$(link)

# What is written from the command's table of options: man/bert4c.1 and a part of docs/cli.md.
docs: $(BIN)
	$(Q)BERT4C=$(BIN) sh scripts/docs.sh

run: $(BIN)
	$(Q)BERT4C=$(BIN) sh scripts/run.sh

# All four, so that one run tells everything.
check: $(SO) $(LIB)
	$(Q)bad=0; sh tools/rooms.sh || bad=1; sh tools/symbols.sh $(SO) $(LIB) || bad=1; \
	CC="$(CC)" CPPFLAGS="$(DEPS_CFLAGS)" $(foreach i,$(ALL_ISA),FLAGS_$(i)="$(FLAGS_$(i))") \
	    sh tools/headers.sh || bad=1; \
	sh tools/style.sh || bad=1; exit $$bad

clean:
	rm -rf $(BUILD)

help:
	@echo 'make              library, command:  $(LIB)  $(SO)  $(BIN)'
	@echo 'make mpi          what mpirun needs: $(BUILD)/bert4c-mpi.so'
	@echo 'make test         build and run all tests; ONLY="word ..." runs some, KINDS="unit cli" whole kinds'
	@echo 'make asan, ubsan, tsan   the same tests under a sanitizer'
	@echo 'make clang        everything with clang, warnings are errors'
	@echo 'make neon         for 64-bit ARM; unit and kernel tests under qemu-user'
	@echo 'make fuzz         every fuzz target for FUZZ_TIME=60 seconds; 0: the stored inputs only'
	@echo 'make test-real    tests on real models, where they are on this machine'
	@echo 'make pack-golden  golden files that were changed into their archives again'
	@echo 'make soak         a million calls: memory must stay what it was'
	@echo 'make check        includes, exported names, headers, style'
	@echo 'make bench        speed, against this machine'"'"'s limits'
	@echo 'make docs         write man/bert4c.1 and the reference in docs/cli.md again'
	@echo 'make run          embed and rank a few Chinese sentences with a real model'
	@echo 'make install      PREFIX=/usr/local DESTDIR='
	@echo 'make clean'
	@echo 'Variables: BUILD CC OPT WERROR=-Werror V=1 (show commands); BERT4C_ISA=scalar|avx2|avx512|amx|neon when running'

.PHONY: all lib mpi examples install test test-bin pack-golden test-real soak asan ubsan asan-ubsan tsan clang neon fuzz fuzz-run bench bench-bin docs run check \
        clean help FORCE
.SECONDARY:
-include $(wildcard $(addsuffix /*.d,$(sort $(dir $(OBJ) $(DOUBLE_OBJ) $(CLI_OBJ) $(TEST_BIN) $(HELPERS:%=$(BUILD)/%) \
    $(TEST_BIN:$(BUILD)/%=$(BUILD)/double/%) $(EXAMPLE_BIN) $(BENCH_BIN) $(FUZZ_BIN) $(BUILD)/tools/))))
