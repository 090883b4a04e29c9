# make install, make uninstall: programs, units, documentation and examples
# below $(DESTDIR)$(PREFIX). systemd looks for units below /usr/local as well.
# Nothing goes to /etc: edged.yaml there is the user's, and every setting has
# a default.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
UNITDIR ?= $(PREFIX)/lib/systemd/system
DOCDIR ?= $(PREFIX)/share/doc/edged

UNITS := deploy/edged.service deploy/edge-coordinator.service
DOCS := README.md docs/OPERATIONS.md docs/CONFIG.md docs/FAILURES.md
EXAMPLES := $(sort $(wildcard deploy/examples/*.yaml))
DEMO := $(addprefix deploy/demo/,cluster.yaml train.yaml labels.txt shapes.onnx)
PICTURES := $(sort $(wildcard deploy/demo/images/*))
# Where things are once installed.
D = $(DESTDIR)
INSTALLED = $(addprefix $(BINDIR)/,$(notdir $(BINS))) \
  $(addprefix $(UNITDIR)/,$(notdir $(UNITS))) \
  $(addprefix $(DOCDIR)/,copyright $(notdir $(DOCS))) \
  $(addprefix $(DOCDIR)/examples/,$(notdir $(EXAMPLES))) \
  $(addprefix $(DOCDIR)/examples/demo/,$(notdir $(DEMO))) \
  $(addprefix $(DOCDIR)/examples/demo/images/,$(notdir $(PICTURES)))

## install      copy programs, units, docs below $(DESTDIR)$(PREFIX)
.PHONY: install
install: all
	install -d $(D)$(BINDIR) $(D)$(UNITDIR) \
	  $(D)$(DOCDIR)/examples/demo/images
	install -m 755 $(BINS) $(D)$(BINDIR)
	set -e; for unit in $(UNITS); do \
	  sed -e 's|/usr/bin/|$(BINDIR)/|g' \
	    -e 's|/usr/share/doc/edged|$(DOCDIR)|g' $$unit \
	    >$(D)$(UNITDIR)/$${unit##*/}; \
	  chmod 644 $(D)$(UNITDIR)/$${unit##*/}; \
	done
	install -m 644 LICENSE $(D)$(DOCDIR)/copyright
	install -m 644 $(DOCS) $(D)$(DOCDIR)
	install -m 644 $(EXAMPLES) $(D)$(DOCDIR)/examples
	install -m 644 $(DEMO) $(D)$(DOCDIR)/examples/demo
	install -m 644 $(PICTURES) $(D)$(DOCDIR)/examples/demo/images

## uninstall    remove what install copied; state and settings stay
.PHONY: uninstall
uninstall:
	rm -f $(addprefix $(D),$(INSTALLED))
	for folder in examples/demo/images examples/demo examples ''; do \
	  rmdir --ignore-fail-on-non-empty $(D)$(DOCDIR)/$$folder || exit; \
	done
