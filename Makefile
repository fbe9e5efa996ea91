# vitald. Two commands: `make run` and `make test`. All that is built lies under $(B)/.
#
#   make            builds build/vitald, build/vitalctl, build/modules/*.so
#   make run        installs what the build needs, builds, runs vitald without a configuration file
#   make test       installs what the tests need, builds, runs every suite; ends with "N passed, N failed"
#   make install    DESTDIR= prefix=            make deb | image          make clean | lint | docs | bench | fuzz T=60 | mutants | differential
#   make coverage   lines and branches that the tests run: build/coverage/report.txt
#   make campaign MINUTES=60 SEED=n    real servers that break, for that long: build/campaign/report.txt
#   SANITIZE=address,undefined or SANITIZE=thread with any of them builds under $(B)/address-undefined ...

VERSION    := 0.1.0
B          ?= build
prefix     ?= /usr/local
sysconfdir ?= $(if $(filter /usr,$(prefix)),/etc,$(prefix)/etc)
T          ?= 60
CASES      ?= 200000
comma      := ,

# V=1 shows whole commands
Q := $(if $(V),,@)
say = @printf '  %-7s %s\n' $(1) $@

WARN := -Wall -Wextra -Wformat=2 -Werror=format-security -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
BASE := -std=c11 -D_GNU_SOURCE -O2 -g -fPIE -fno-strict-overflow -fno-delete-null-pointer-checks \
        -fstack-protector-strong -fstack-clash-protection -fcf-protection -ffile-prefix-map=$(CURDIR)=. \
        -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
INCL := -Idaemon -Iprobes -DVITALD_VERSION='"$(VERSION)"'
PLACES := -DVITALD_MODULE_DIR='"$(prefix)/lib/vitald/modules"' -DVITALD_CONF='"$(sysconfdir)/vitald/vitald.yaml"'
LINK := -pie -Wl,--gc-sections,--as-needed,-z,relro,-z,now,-z,noexecstack,-z,pack-relative-relocs
ifdef SANITIZE
  override B := $(B)/$(subst $(comma),-,$(SANITIZE))
  # Instrumented code confuses gcc's flow warnings; the plain build is where warnings are errors.
  HARD := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-error
  LINK += -fsanitize=$(SANITIZE)
  EACH := -fsanitize=$(SANITIZE)
else ifdef COVERAGE
  # One branch of the source is one branch of the code only where nothing is optimized.
  override B := $(B)/coverage
  HARD := -O0 --coverage -fprofile-update=atomic -Wno-error
  LINK += --coverage -Wl,--wrap=_exit tests/coverage_exit.c
  EACH := --coverage
  EACH_MODULE := tests/coverage_module.c
else
  HARD := -D_FORTIFY_SOURCE=3 -ftrivial-auto-var-init=zero
endif
COMPILE = $(CC) $(BASE) $(WARN) $(HARD) $(INCL) $(CFLAGS) -MMD -MP

# Heavy libraries live in modules of their own; a module that is not there yet is simply not built.
libs_postgres := -lpq -lssl -lcrypto
libs_redis    := -lhiredis
libs_mysql    := -lmariadb
libs_grpc     := -lnghttp2
libs_unit     := -lsystemd
KNOWN   := postgres redis mysql grpc unit
HEAVY   := $(patsubst probes/%.c,%,$(wildcard $(KNOWN:%=probes/%.c)))
LOADED  := $(HEAVY) skeleton
LIBS    := -levent_core -lssl -lcrypto -lyaml -lpcre2-8 -lnghttp2 -lpthread -lm

LIB_SRC := $(wildcard daemon/base/*.c daemon/io/*.c daemon/config/*.c daemon/core/*.c daemon/view/*.c daemon/front/*.c) \
           $(filter-out $(LOADED:%=probes/%.c) $(wildcard $(KNOWN:%=probes/%_*.c)),$(wildcard probes/*.c)) \
           $(filter-out daemon/main.c,$(wildcard daemon/*.c))
CTL_SRC := $(wildcard daemon/ctl/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o) $(B)/obj/page_assets.o
CTL_OBJ := $(CTL_SRC:%.c=$(B)/obj/%.o)
STATIC_OBJ := $(patsubst %.c,$(B)/static/%.o,$(CTL_SRC) $(wildcard daemon/base/*.c))
MODULES := $(LOADED:%=$(B)/modules/%.so)
UNIT    := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ    := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all libs run test install stage deb deb-check image image-check clean lint docs bench fuzz mutants campaign differential coverage unit sim programs
all: $(B)/vitald $(B)/vitalctl $(B)/vitalctl-static $(MODULES)

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(COMPILE) -c -o $@ $<

# Small is worth more than fast where it runs rarely, for pages of text stay once they were touched. Fast is what answers, attempts, and
# renders what many ask for: tests/bench/guard counts it.
FAST := base/ core/ io/ host main turn front/access front/answer front/balancer front/connection front/listen front/query front/route \
        front/serve front/socket front/source view/json view/prom view/text view/view
SMALL := $(filter-out $(foreach f,$(FAST),$(B)/obj/daemon/$(f)%) $(B)/obj/probes/%,$(LIB_SRC:%.c=$(B)/obj/%.o))
$(SMALL): private HARD += $(if $(COVERAGE),,-Os)

# The page's style and script: text in the program, and the hashes by which the page's policy knows them.
$(B)/obj/page_assets.c: daemon/view/page.css daemon/view/page.js Makefile
	@mkdir -p $(@D)
	$(call say,EMBED)
	$(Q){ echo '#include "view/page_assets.h"'; for kind in css js; do file=daemon/view/page.$$kind; \
	    echo "const char page_$$kind[] ="; sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $$file; \
	    hash=$$(sha256sum <$$file | cut -c1-64 | tr a-f A-F | basenc --base16 -d | base64); \
	    echo "; const char page_$${kind}_hash[] = \"sha256-$$hash\";"; done; } >$@

$(B)/obj/page_assets.o: $(B)/obj/page_assets.c
	$(call say,CC)
	$(Q)$(COMPILE) -c -o $@ $<

$(B)/static/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(filter-out -fPIE,$(BASE)) $(WARN) $(INCL) -DVITALCTL_STATIC $(CFLAGS) -MMD -MP -c -o $@ $<

# What an installed program knows of its prefix. The archive has the one of the first build; what is installed is linked with its own.
AT := $(B)/at$(subst /,-,$(prefix)$(sysconfdir))
$(B)/obj/daemon/config/places.o: private INCL += $(PLACES)
$(AT)/places.o: daemon/config/places.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(COMPILE) $(PLACES) -c -o $@ $<

$(AT)/vitald: $(B)/obj/daemon/main.o $(AT)/places.o $(B)/libvitald.a
	$(call say,LINK)
	$(Q)$(CC) -o $@ $(filter %.o,$^) $(LINK) $(B)/libvitald.a $(LIBS)

# An archive, so that a unit test links only what it names; made anew, so that no deleted file lives on in it.
$(B)/libvitald.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(B)/vitald: $(B)/obj/daemon/main.o $(B)/libvitald.a
	$(call say,LINK)
	$(Q)$(CC) -o $@ $< $(LINK) $(B)/libvitald.a $(LIBS)

$(B)/vitalctl: $(CTL_OBJ) $(B)/libvitald.a
	$(call say,LINK)
	$(Q)$(CC) -o $@ $^ $(LINK) -lm

# Copied into any image: no libc needed there.
$(B)/vitalctl-static: $(STATIC_OBJ)
	$(call say,LINK)
	$(Q)$(CC) -static -Wl,--gc-sections -o $@ $^ -lm

$(B)/modules/%.so: probes/%.c Makefile
	@mkdir -p $(@D) $(B)/obj
	$(call say,MODULE)
	$(Q)$(CC) $(filter-out -fPIE,$(BASE)) -fPIC -fvisibility=hidden $(WARN) $(HARD) -Iprobes $(CFLAGS) -MMD -MP -MF $(B)/obj/$*.so.d \
	    -shared -o $@ $(filter %.c,$^) -Wl,--gc-sections,-z,relro,-z,now $(EACH) $(EACH_MODULE) $(libs_$*)

# The parts of a heavy module, and what all of them share, are compiled into it, and into its unit test: they are not in the archive.
tests_of = $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_probe_$(1).c tests/unit/test_probe_$(1)_*.c))
define module_parts
$(B)/modules/$(1).so: $(wildcard probes/$(1)_*.[ch]) probes/found.c probes/found.h
$(call tests_of,$(1)): private parts := $(wildcard probes/$(1).c probes/$(1)_*.c) probes/found.c $(libs_$(1))
$(call tests_of,$(1)): $(wildcard probes/$(1).c probes/$(1)_*.[ch]) probes/found.c probes/found.h
endef
$(foreach m,$(HEAVY),$(eval $(call module_parts,$(m))))

$(B)/tests/%: tests/unit/%.c $(wildcard tests/unit/*.h) $(B)/libvitald.a
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(COMPILE) -Wno-unused-function -Itests/unit -Itests/sim -o $@ $< $(parts) $(LINK) $(B)/libvitald.a $(LIBS)

$(B)/tests/sim: $(wildcard tests/sim/*.c) $(wildcard tests/sim/*.h) $(B)/libvitald.a
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(COMPILE) -Itests/sim -o $@ $(filter tests/sim/%.c,$^) $(LINK) $(B)/libvitald.a $(LIBS)

# for what links outside of this file
libs:
	@echo $(LIBS)

unit: $(UNIT)
sim: $(if $(wildcard tests/sim/sim.c),$(B)/tests/sim)
programs: all unit sim

run:
	@tests/setup build
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@echo "vitald listens on http://$${VITALD_LISTEN:-127.0.0.1:8686}/  (try: curl -s http://127.0.0.1:8686/readyz?verbose, build/vitalctl status; Ctrl-C stops it)"
	@exec $(B)/vitald

test:
	@tests/setup test
	@tests/run

docs: $(B)/vitald $(MODULES)
	$(B)/vitald --dump-options=yaml > conf/reference.yaml
	$(B)/vitald --dump-options=schema > conf/schema.json
	$(B)/vitald --dump-options=man > man/vitald-probes.7
	tests/lint/manual $(B)/vitald > man/vitald.yaml.5

lint:
	@tests/setup test
	@nice tests/lint/all

bench:
	@tests/setup bench
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@VITALD_BUILD=$(B) tests/bench/run $(ONLY)

fuzz:
	@tests/setup fuzz
	@tests/fuzz/run $(T) $(FUZZ)

# What unit tests and simulation run of the code, by line and branch; with COVERAGE_FUNC=1 the functional tests too. Fails under the goals.
coverage:
	@tests/setup test
	@tests/coverage

# The HTTP parser beside those of nginx and Node; SEED=12 repeats a run.
differential:
	@tests/setup test
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@VITALD_BUILD=$(CURDIR)/$(B) tests/func/differential.py --cases $(CASES) $(if $(SEED),--seed $(SEED))

campaign:
	@tests/setup test
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@VITALD_BUILD=$(abspath $(B)) nice /usr/bin/python3 tests/campaign/campaign.py --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

# Where libraries bring allocators and threads of their own, valgrind sees what the sanitizers do not: the unit tests of the heavy modules.
valgrind:
	@tests/setup test
	@$(MAKE) --no-print-directory $(foreach m,$(HEAVY),$(call tests_of,$(m)))
	@for t in $(foreach m,$(HEAVY),$(call tests_of,$(m))); do echo "$$t"; \
	    valgrind -q --trace-children=yes --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=9 $$t </dev/null || exit 1; done

mutants:
	@tests/setup test
	@tests/sim/mutate

install: all $(AT)/vitald
	install -d $(DESTDIR)$(prefix)/sbin $(DESTDIR)$(prefix)/bin $(DESTDIR)$(prefix)/lib/vitald/modules $(DESTDIR)$(prefix)/include \
	    $(DESTDIR)$(sysconfdir)/vitald $(DESTDIR)$(prefix)/share/man/man1 $(DESTDIR)$(prefix)/share/man/man3 \
	    $(DESTDIR)$(prefix)/share/man/man7 $(DESTDIR)$(prefix)/share/man/man5 $(DESTDIR)$(prefix)/share/man/man8 \
	    $(DESTDIR)$(prefix)/share/bash-completion/completions $(DESTDIR)$(prefix)/share/zsh/site-functions
	install -m 755 $(AT)/vitald $(DESTDIR)$(prefix)/sbin/vitald
	install -m 755 $(B)/vitalctl $(DESTDIR)$(prefix)/bin/vitalctl
	for m in $(filter-out skeleton,$(LOADED)); do install -m 644 $(B)/modules/$$m.so $(DESTDIR)$(prefix)/lib/vitald/modules/; done
	install -m 644 probes/vital_probe.h $(DESTDIR)$(prefix)/include/vital_probe.h
	[ -e $(DESTDIR)$(sysconfdir)/vitald/vitald.yaml ] || install -m 644 conf/vitald.yaml $(DESTDIR)$(sysconfdir)/vitald/vitald.yaml
	for n in 1 3 5 7 8; do for f in man/*.$$n; do [ ! -e $$f ] || install -m 644 $$f $(DESTDIR)$(prefix)/share/man/man$$n/; done; done
	sed -i 's|/usr/local/include|$(prefix)/include|; s|/usr/local/lib/vitald|$(prefix)/lib/vitald|; s|^\.It Pa /etc/vitald/|.It Pa $(sysconfdir)/vitald/|' \
	    $(DESTDIR)$(prefix)/share/man/man3/vital-probe.3 $(DESTDIR)$(prefix)/share/man/man8/vitald.8
	for p in vitald vitalctl; do \
	    install -m 644 conf/completion/$$p.bash $(DESTDIR)$(prefix)/share/bash-completion/completions/$$p; \
	    install -m 644 conf/completion/_$$p $(DESTDIR)$(prefix)/share/zsh/site-functions/_$$p; done
	install -d $(DESTDIR)$(prefix)/lib/systemd/system $(DESTDIR)$(prefix)/lib/sysusers.d $(DESTDIR)$(prefix)/lib/tmpfiles.d \
	    $(DESTDIR)$(prefix)/share/vitald
	sed 's|/usr/sbin/vitald|$(prefix)/sbin/vitald|; s|/etc/vitald|$(sysconfdir)/vitald|' systemd/vitald.service \
	    > $(DESTDIR)$(prefix)/lib/systemd/system/vitald.service
	chmod 644 $(DESTDIR)$(prefix)/lib/systemd/system/vitald.service
	install -m 644 systemd/*.socket $(DESTDIR)$(prefix)/lib/systemd/system/
	install -m 644 systemd/sysusers.conf $(DESTDIR)$(prefix)/lib/sysusers.d/vitald.conf
	sed 's|/etc/vitald|$(sysconfdir)/vitald|' systemd/tmpfiles.conf > $(DESTDIR)$(prefix)/lib/tmpfiles.d/vitald.conf
	chmod 644 $(DESTDIR)$(prefix)/lib/tmpfiles.d/vitald.conf
	install -m 644 systemd/exec-probes.conf $(DESTDIR)$(prefix)/share/vitald/
	install -m 644 conf/prometheus/* conf/grafana/* $(DESTDIR)$(prefix)/share/vitald/
	install -d $(DESTDIR)$(prefix)/share/doc/vitald/examples
	install -m 644 conf/reference.yaml conf/schema.json probes/skeleton.c $(DESTDIR)$(prefix)/share/doc/vitald/examples/
	cd conf && for f in $$(find recipes -type f); do [ -x $$f ] && mode=755 || mode=644; \
	    install -D -m $$mode $$f $(abspath $(DESTDIR)$(prefix))/share/doc/vitald/examples/$$f; done

# build/deb/*.deb: the Debian packages, cut from one installed tree.
stage: $(B)/.staged
$(B)/.staged: $(B)/vitald $(B)/vitalctl $(MODULES) $(wildcard conf/* conf/*/* man/* systemd/*) Makefile
	@rm -rf $(B)/stage
	@$(MAKE) --no-print-directory prefix=/usr DESTDIR=$(abspath $(B))/stage install >/dev/null
	@touch $@

deb: stage
	@conf/debian/make-deb $(B)/stage $(B)/deb $(VERSION)

# build/image/vitald-core.tar and vitald-full.tar: images of nothing but the programs and the libraries they need.
image: $(B)/image/vitald-full.tar
$(B)/image/vitald-full.tar: $(B)/.staged conf/container/make-image LICENSE $(wildcard /var/lib/dpkg/status)
	@conf/container/make-image $(B)/stage $(B)/image $(VERSION)

# At length: built in two places, installed into an empty Debian; the Dockerfile built upon one. Root, and some minutes.
deb-check image-check:
	@tests/setup package
	@conf/$(if $(filter deb-check,$@),debian,container)/check

clean:
	rm -rf $(B)

-include $(shell find /dev/null $(wildcard $(B)/obj $(B)/static $(B)/tests $(B)/at-*) -name '*.d' 2>/dev/null)
