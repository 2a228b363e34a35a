# SPDX-License-Identifier: MIT
#
# What is installed, and where. It is staged below DESTDIR, and takes no root where the directories are
# one's own. Of the settings under SYSCONFDIR one that is there is kept: an administrator may have changed it.

BINDIR ?= $(PREFIX)/bin
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
PKGCONFIGDIR ?= $(DATADIR)/pkgconfig
UNITDIR ?= $(PREFIX)/lib/systemd/system
BASHDIR ?= $(DATADIR)/bash-completion/completions
ZSHDIR ?= $(DATADIR)/zsh/site-functions
FISHDIR ?= $(DATADIR)/fish/vendor_completions.d
# What systemd and distributions look at; elsewhere it would be of no use, but belongs to the rest.
SYSCONFDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
OWN := $(DATADIR)/pushback

# Of a Python and a Rust that are the consumer's own: pip and cargo build them from there.
PYTHON_SOURCES := $(wildcard $(addprefix include/python/,*.md *.toml *.py src/*.[ch] pushback/*.py pushback/*.pyi \
	pushback/py.typed)) include/pushback.h
RUST_SOURCES := $(shell find include/rust -path '*/target' -prune -o -type f \( -name '*.rs' -o -name '*.toml' \) -print)

# MODE:SOURCE:TARGET each.
into = $(foreach file,$(3),$(1):$(file):$(2)/$(notdir $(file)))
below = $(foreach file,$(3),0644:$(file):$(1)/$(patsubst include/%,%,$(file:$(2)/%=%)))
INSTALLED := \
	$(call into,0755,$(BINDIR),$(B)/pushback $(B)/usdt-inject) \
	$(call into,0644,$(INCLUDEDIR),include/pushback.h include/pushback_abi.h include/pushback.hpp) \
	$(call into,0644,$(MANDIR)/man1,$(MAN)) \
	$(call into,0644,$(BASHDIR),$(filter $(B)/completion/bash/%,$(COMPLETION))) \
	$(call into,0644,$(ZSHDIR),$(filter $(B)/completion/zsh/%,$(COMPLETION))) \
	$(call into,0644,$(FISHDIR),$(filter $(B)/completion/fish/%,$(COMPLETION))) \
	$(call into,0644,$(PKGCONFIGDIR),tools/packages/pushback.pc) \
	$(call into,0644,$(UNITDIR),tools/systemd/pushback.service) \
	$(call into,0644,$(OWN)/systemd,tools/systemd/before-6.6.conf) \
	$(call into,0644,$(OWN)/grafana,tools/grafana/pushback.json) \
	$(call into,0644,$(OWN)/prometheus,tools/prometheus/rules.yaml) \
	$(call into,0644,$(OWN)/kubernetes,tools/kubernetes/daemonset.yaml) \
	$(call into,0644,$(OWN)/container,tools/container/Containerfile) \
	$(call into,0644,$(OWN)/recipes,$(wildcard tools/recipes/*.ini)) \
	$(call below,$(OWN)/python,include/python,$(PYTHON_SOURCES)) \
	$(call below,$(OWN)/rust,include/rust,$(RUST_SOURCES))
SETTINGS := $(SYSCONFDIR)/default/pushback

# Where it lies, in what says so. Not built before: who installs may be another user than who built.
FILL = -e 's|@PREFIX@|$(PREFIX)|; s|@INCLUDEDIR@|$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)|; s|@VERSION@|$(VERSION)|' \
	-e 's|/usr/bin/|$(BINDIR)/|; s|/etc/default/|$(SYSCONFDIR)/default/|'

part = $(word $(1),$(subst :, ,$(2)))
# One per line, as a shell may take no command line of any length.
define install_one
	$(Q)install -D -m $(call part,1,$(1)) '$(call part,2,$(1))' '$(DESTDIR)$(call part,3,$(1))'

endef

.PHONY: install uninstall

install: $(B)/pushback $(B)/usdt-inject docs ## to $(DESTDIR)$(PREFIX); as root only where that is root's
	$(foreach one,$(INSTALLED),$(call install_one,$(one)))
	$(Q)sed -i $(FILL) '$(DESTDIR)$(PKGCONFIGDIR)/pushback.pc' '$(DESTDIR)$(UNITDIR)/pushback.service'
	$(Q)[ -e '$(DESTDIR)$(SETTINGS)' ] || install -D -m 0644 tools/systemd/pushback.default '$(DESTDIR)$(SETTINGS)'
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))

# Directories of our own go, those of others stay; settings that are no longer as installed stay as well.
uninstall: ## what `make install` with the same settings has put there
	$(Q)rm -f $(foreach one,$(INSTALLED),'$(DESTDIR)$(call part,3,$(one))')
	$(Q)! cmp -s tools/systemd/pushback.default '$(DESTDIR)$(SETTINGS)' || rm -f '$(DESTDIR)$(SETTINGS)'
	$(Q)[ ! -d '$(DESTDIR)$(OWN)' ] || find '$(DESTDIR)$(OWN)' -depth -type d -empty -delete
