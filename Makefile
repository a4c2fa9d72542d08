# Two nodes on this machine, from nothing, and everything CI runs. Each target calls one script; the scripts say what they do.
.PHONY: help up down ssh test fuzz bench lint bootstrap build
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

up:  ## two Flatcar nodes on this machine: installs what is missing, then `pulumi up` on stacks/homelab
	@tests/lab/bootstrap.sh
	@python3 tests/lab/up.py up

down:  ## remove the nodes and all that belongs to them, and check that nothing is left
	@python3 tests/lab/up.py down

ssh:  ## log in: make ssh NODE=web-0
	@python3 tests/lab/up.py ssh $(NODE)

test:  ## everything CI runs
	@tests/lab/test.sh

bench:  ## the measurements, as ratios to what the real parts cost alone
	@tests/lab/bootstrap.sh
	@tests/lab/build.sh
	@.venv/bin/python -m tests.bench $(PARTS)

fuzz:  ## texts on which the validator and the real tool differ: make fuzz SECONDS=600
	@tests/lab/bootstrap.sh
	@tests/lab/build.sh ignition
	@.venv/bin/python -m tests.ignition.validate.fuzz $(or $(SECONDS),300)

lint:  ## only the linters
	@tests/lab/bootstrap.sh
	@.venv/bin/python -m pytest -q tests/test_linters.py

bootstrap:  ## install what is missing
	@tests/lab/bootstrap.sh

build:  ## the Pulumi CLI, Ignition and the stand-in image, from the cache or made
	@tests/lab/build.sh
