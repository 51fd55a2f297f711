# make check, make check-interop, make demo, make bench    need nothing but git and make: the scripts install
#	what is missing; check-interop needs the npm registry besides
# make, make install, make installcheck    as with any PGXS extension; PG_CONFIG names the server

PG_CONFIG ?= pg_config

ifneq (,$(filter check demo bench check-interop,$(MAKECMDGOALS)))

.PHONY: check demo bench check-interop
check demo:
	@test/$@
bench:
	@bench/evidence
	@bench/proof
	@bench/record
	@bench/stamping
	@bench/leaf
	@bench/dashboard
	@bench/fleet
	@bench/log
check-interop:
	@test/interop/jcs
	@test/interop/note
	@test/interop/sigstore
	@test/interop/jdbc
	@test/interop/postgraphile
	@test/interop/report

else

EXTENSION = runlink
MODULE_big = runlink
# Not VERSION: PGXS has one of that name, the server's.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" runlink.control)

OBJS := $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/core/*.c)))

SQL_PARTS = \
	sql/json_string.sql \
	sql/schema_check.sql \
	sql/linkage.sql \
	sql/evidence.sql \
	sql/governance.sql \
	sql/proof.sql \
	sql/sealing.sql \
	sql/erasure.sql \
	sql/package.sql \
	sql/stamping.sql \
	sql/verify.sql \
	sql/log.sql \
	sql/tick.sql \
	sql/signing.sql \
	sql/views/trace_seal.sql \
	sql/views/optional.sql \
	sql/views/links.sql \
	sql/views/trace_integrity.sql \
	sql/views/runs.sql \
	sql/views/evidence_items.sql \
	sql/views/governance_events.sql \
	sql/views/policy_decisions.sql \
	sql/views/limit_hits.sql \
	sql/gaps/gap.sql \
	$(filter-out sql/gaps/gap.sql,$(sort $(wildcard sql/gaps/*.sql))) \
	sql/gaps.sql \
	sql/report.sql

DATA_built = sql/runlink--$(EXTVERSION).sql
SCRIPTS = tools/runlink-verify tools/runlink-sign-checkpoint
DATA := $(wildcard sql/runlink--*--*.sql)

# The server's headers count as system headers: -Wextra is for our own code.
PG_CPPFLAGS = -I$(srcdir)/src -isystem $(includedir_server) -DRUNLINK_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wall -Wextra
SHLIB_LINK = -lcrypto

# The first test creates what the others use. One encoding and collation, whatever the server's are.
TESTS := $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS := $(filter install,$(TESTS)) $(filter-out install,$(TESTS))
# Tests of the same name as a part in sql/ are found only if the output is elsewhere.
REGRESS_OPTS = --inputdir=test --outputdir=output_regress
ISOLATION := $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation
ENCODING = UTF8
NO_LOCALE = 1

EXTRA_CLEAN = output_regress output_iso tmp_check

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq (,$(wildcard $(PGXS)))
$(error '$(PG_CONFIG) --pgxs' names no file: install the server's development files or set PG_CONFIG)
endif
include $(PGXS)

# PGXS installs scripts without their directory, and uninstalls them with it.
.PHONY: uninstall-tools
uninstall: uninstall-tools
uninstall-tools:
	rm -f $(addprefix '$(DESTDIR)$(bindir)/', $(notdir $(SCRIPTS)))

# As Postgres compiles its checksums: a loop over bytes becomes one over vectors.
src/core/canonical.o: CFLAGS += $(CFLAGS_VECTORIZE)

# PGXS tracks no headers.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/core/*.h) runlink.control

$(DATA_built): $(SQL_PARTS) runlink.control Makefile
	printf '%s\n' '\echo Use "CREATE EXTENSION runlink" to load this file. \quit' | cat - $(SQL_PARTS) >$@

.DELETE_ON_ERROR:

endif
