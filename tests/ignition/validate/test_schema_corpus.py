"""The JSON Schema accepts what Ignition accepts of the validator's corpus, but for what no editor should suggest."""

from __future__ import annotations

import json
from itertools import islice

from jsonschema import Draft202012Validator
from validator_corpus import SPECS, complete, mutations, table_texts, write

from flatprov.ignition.jsonschema import json_schema
from flatprov.ignition.schema import VERSIONS
from flatprov.ignition.validate import validate

SCHEMAS = {version: Draft202012Validator(json_schema(version)) for version in VERSIONS}


def test_what_ignition_accepts_and_uses_is_accepted() -> None:
    """A part of the corpus that is quickly made; the validator is proven equal to the real tool on all of it."""
    judged = 0
    for text in (*(write(complete(spec)) for spec in SPECS), *table_texts(), *islice(mutations(), 900)):
        stable = text.replace("3.6.0-experimental", "3.6.0")
        report = validate(stable, ignition_version="2.26.0")
        ignored = any("nused" in entry.message or "context tree" in entry.message for entry in report)
        if report.errors or ignored or "null" in stable:
            continue
        config = json.loads(stable)
        version = config["ignition"].get("version")
        if version in SCHEMAS:
            judged += 1
            # Ignition takes items without a name, and a schema that an editor completes from should ask for it.
            found = [error for error in SCHEMAS[version].iter_errors(config) if error.validator != "required"]
            # The length of a hash counts bytes there and characters here; a real one is ASCII.
            found = [error for error in found if error.validator != "pattern" or error.instance.isascii()]
            assert [f"{error.json_path} {error.message}" for error in found] == [], text[:200]
    assert judged > 150
