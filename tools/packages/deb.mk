# SPDX-License-Identifier: MIT
#
# Debian packages, made in a copy of the tree: debian/ is tools/debian there. What is compiled for them stays,
# so that the next time takes what has not changed. DEB_BUILT=DIR takes what is built there, without the flags
# that Debian wants, for who is in a hurry.

DEB := $(B)/deb
DEB_TREE := $(DEB)/pushback-$(VERSION)
DEB_BUILT ?= $(DEB)/built-$(VERSION)

.PHONY: deb test-packages

deb: ## Debian packages, to build/deb
	$(Q)tools/need deb
	$(Q)rm -rf '$(DEB_TREE)' $(DEB)/*_$(VERSION)_*
	$(Q)mkdir -p '$(DEB_TREE)/tests/fuzz'
	$(Q)cp -a Makefile README.md LICENSE bpf include tools userspace '$(DEB_TREE)'
	$(Q)cp -a tests/fuzz/fuzz.mk '$(DEB_TREE)/tests/fuzz'
	$(Q)cp -a tools/debian '$(DEB_TREE)/debian'
	$(Q)sed -n '1s/.*(\(.*\)).*/\1/p' tools/debian/changelog | grep -qxF '$(VERSION)' || \
		printf 'pushback (%s) unstable; urgency=medium\n\n  * Of version %s.\n\n -- %s  %s\n\n' '$(VERSION)' '$(VERSION)' \
			"$$(sed -n 's/^Maintainer: //p' tools/debian/control)" "$$(date -R)" | cat - tools/debian/changelog \
			> '$(DEB_TREE)/debian/changelog'
	$(call say,DEB,$(DEB))
	$(Q)cd '$(DEB_TREE)' && unset MAKEFLAGS MAKELEVEL && \
		PUSHBACK_B='$(abspath $(DEB_BUILT))' dpkg-buildpackage -b -uc -us -j$(shell nproc) >'$(abspath $(DEB))/log' 2>&1 || \
		{ tail -20 '$(abspath $(DEB))/log' >&2; exit 1; }
	$(Q)rm -rf '$(DEB_TREE)'

test-packages: KERNELS = 6.12 6.1
test-packages: all progs ## the packages installed, run, upgraded and purged under a real systemd, emulated
	$(Q)tools/need packages
	$(Q)$(PYTHON) -B tests/packages/run.py $(B) --kernels '$(KERNELS)'
	$(Q)$(PYTHON) -B tests/packages/image.py $(B)
