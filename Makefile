# vitald: make run | make test; everything that is built lies under $(B)/
B       ?= build
prefix  ?= /usr/local
sysconfdir ?= /etc
VERSION := 0.1.0
CC      ?= gcc

PKGS_CORE := libevent libssl libcrypto yaml-0.1 libpcre2-8
MODULES_HEAVY := postgres redis mysql grpc unit

WARN := -Wall -Wextra -Wformat=2 -Werror=format-security -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
BASE := -std=c11 -D_GNU_SOURCE -O2 -g -fPIE -fno-strict-overflow -fno-delete-null-pointer-checks -fstack-protector-strong -fstack-clash-protection -fcf-protection
INCL := -Idaemon -Iprobes -DVITALD_VERSION='"$(VERSION)"' -DVITALD_MODULE_DIR='"$(prefix)/lib/vitald/modules"' -DVITALD_CONF='"$(sysconfdir)/vitald/vitald.yaml"'
LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifdef SANITIZE
  B := $(B)/$(subst $(comma),-,$(SANITIZE))
  HARD := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
  LINK += -fsanitize=$(SANITIZE)
else
  HARD := -D_FORTIFY_SOURCE=3 -ftrivial-auto-var-init=zero
endif
comma := ,

LIB_SRC  := $(wildcard daemon/base/*.c daemon/io/*.c daemon/config/*.c daemon/core/*.c daemon/view/*.c daemon/front/*.c)
HEAVY_SRC := $(wildcard $(MODULES_HEAVY:%=probes/%.c))
PROBE_SRC := $(filter-out $(MODULES_HEAVY:%=probes/%.c) probes/skeleton.c,$(wildcard probes/*.c))
MAIN_SRC := $(wildcard daemon/main.c daemon/host.c)
CTL_SRC  := $(wildcard daemon/ctl/*.c)
LIB_OBJ   := $(LIB_SRC:%.c=$(B)/obj/%.o) $(PROBE_SRC:%.c=$(B)/obj/%.o) $(B)/obj/daemon/host.o
UNIT_SRC  := $(wildcard tests/unit/test_*.c)
UNIT_BIN  := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/%)

CFLAGS_ALL = $(BASE) $(WARN) $(HARD) $(INCL) $(CFLAGS) -MMD -MP
LIBS_CORE  = -levent -lssl -lcrypto -lyaml -lpcre2-8 -lpthread -ldl -lm

.PHONY: all unit
all: $(B)/vitald $(B)/vitalctl
unit: $(UNIT_BIN)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(B)/libvitald.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/tests/%: tests/unit/%.c $(B)/libvitald.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Itests/unit -o $@ $< $(LINK) $(B)/libvitald.a $(LIBS_CORE)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
