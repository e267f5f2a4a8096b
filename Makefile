# SPDX-License-Identifier: GPL-2.0-or-later
#
# `make help` tells what there is.

PREFIX	?= /usr/local
DESTDIR	?=
KDIR	?= /lib/modules/$(shell uname -r)/build
VERSION	:= 0.1.0

export KDIR DESTDIR PREFIX TIME SEED BASE DELTA BENCH

all: modules tools

help:
	@echo 'Building:'
	@echo '  modules       dm-redo.ko for the running kernel, or for KDIR=<headers>, in build/host'
	@echo '  tools         redosetup and libredo'
	@echo '  modules-all   dm-redo.ko for each kernel that is tested, with W=1 and sparse;'
	@echo '                a warning is an error'
	@echo '  modules-uml, modules-6.1, modules-6.12, modules-kunit   one of these'
	@echo '  lint          checkpatch on every source file of the kernel module'
	@echo '  install       module, tools, man pages, units for boot (DESTDIR=, PREFIX=)'
	@echo '  dkms-install  the sources where DKMS finds them'
	@echo '  clean         removes what was built here (not the cached test kernels)'
	@echo 'Running (as root, on Debian 12; installs the packages it needs):'
	@echo '  check         every test, in virtual machines; ARGS= goes to tests/run'
	@echo '  check-memory  4 million grains scattered over 16 TiB in 16 MiB (GRAINS=); swap and a'
	@echo '                filesystem on chains while memory is short'
	@echo '  check-crash   the power-cut campaign (ARGS= goes to tests/campaign/crash), 320 random'
	@echo '                sequences with change tracking (tests/campaign/model), then'
	@echo '  check-mutants deliberate breakages, each of which the power-cut test must catch'
	@echo 'Longer campaigns (as root; ARGS= goes to tests/campaign/failures):'
	@echo '  check-faults  every request to a lower device, and every allocation, of a workload'
	@echo '                fails, one by one (an hour and more of a processor)'
	@echo '  check-fuzz    2000 corrupt deltas in the kernel under KASAN; the fuzz targets'
	@echo '  fuzz          the fuzz targets on libredo, for TIME=60 seconds each (SEED=)'
	@echo '  check-kcsan   cases that race two processors, in a kernel that looks for data races;'
	@echo '                ARGS= goes to tests/run'
	@echo '  check-leaks   kmemleak over a selection of cases, module loading included'
	@echo 'And:'
	@echo '  bench         what it costs, against dm-linear, dm-snapshot, dm-thin and qcow2, in a'
	@echo '                virtual machine; ARGS= goes to tests/bench/bench.sh, BENCH=quick is short;'
	@echo '                BASE=<device> DELTA=<device>: on this host, overwriting these devices'
	@echo '  demo          the story of a chain, told in a virtual machine (HOST=1: on this host)'

modules: modules-host

modules-%:
	@tests/lib/modules.sh $* $(if $(W),W=$(W)) $(if $(C),C=$(C))

flavours := uml kunit 6.1 6.12

# One after the other: each build uses every processor by itself.
modules-all:
	@for flavour in $(flavours); do \
		STRICT=1 tests/lib/modules.sh $$flavour W=1 $(SPARSE) || exit 1; \
	done

SPARSE	= $(if $(shell command -v sparse),C=1)

tools:
	$(MAKE) -C userspace

lint:
	@tests/lib/lint.sh

install: modules tools
	$(MAKE) -C $(KDIR) M=$(CURDIR)/build/host INSTALL_MOD_PATH=$(DESTDIR) modules_install
	$(MAKE) -C userspace install
	install -d $(DESTDIR)$(PREFIX)/share/doc/dm-redo
	install -m 644 $(wildcard README.md Documentation/*.rst) COPYING $(DESTDIR)$(PREFIX)/share/doc/dm-redo

dkms-install:
	install -d $(DESTDIR)/usr/src/dm-redo-$(VERSION)/kernel
	install -m 644 Kbuild dkms.conf COPYING $(DESTDIR)/usr/src/dm-redo-$(VERSION)
	install -m 644 $(wildcard kernel/*.[ch]) $(DESTDIR)/usr/src/dm-redo-$(VERSION)/kernel
	sed -i 's/^PACKAGE_VERSION=.*/PACKAGE_VERSION="$(VERSION)"/' \
		$(DESTDIR)/usr/src/dm-redo-$(VERSION)/dkms.conf

check:
	tests/run $(ARGS)

check-memory:
	tests/lib/packages.sh
	REDO_GRAINS=$(or $(GRAINS),4194304) REDO_TIMEOUT=7000 \
		tests/run --kernel lean --only 047-scattered --kernel small --only 049-pressure

check-faults check-leaks:
	tests/lib/packages.sh
	tests/campaign/failures $(@:check-%=%) $(ARGS)

check-fuzz:
	tests/lib/packages.sh
	tests/campaign/failures corrupt $(ARGS)
	tests/fuzz/run.sh --runs

check-kcsan:
	tests/run --kernel kcsan $(ARGS)

fuzz:
	tests/lib/packages.sh
	tests/fuzz/run.sh --seconds $(or $(TIME),60)

bench:
	tests/bench/bench.sh $(ARGS)

check-crash:
	tests/lib/packages.sh
	tests/campaign/all $(ARGS)

check-mutants:
	tests/lib/packages.sh
	tests/campaign/mutants $(ARGS)

demo:
	tests/lib/packages.sh
	tests/demo/demo.sh $(ARGS)

clean:
	rm -rf build
	if [ -e userspace/Makefile ]; then $(MAKE) -C userspace clean; fi

.PHONY: all help modules modules-all tools lint install dkms-install check check-memory demo clean
.PHONY: bench check-crash check-mutants check-faults check-fuzz check-kcsan check-leaks fuzz
