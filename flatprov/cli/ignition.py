"""``flatprov ignition``: validate, render, merge and compare configs.

FILE is Ignition JSON or Butane YAML, told apart by its content; - is standard input. Exit status: 0 clean, 1 errors
(with --strict also warnings), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flatprov.cli.formatting import Formatter
from flatprov.errors import BudgetError, ConfigError, FlatprovError

if TYPE_CHECKING:
    from flatprov.cli.configs import Loaded
    from flatprov.ignition.report import Report
    from flatprov.ignition.target import Target

_OWN_CODES = ("merge-inherits",)  # of merging; all others are of findings
_BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended


def add_to(ignition: argparse.ArgumentParser) -> None:
    """Fill in this command's parser."""
    ignition.description = __doc__
    actions = ignition.add_subparsers(required=True, metavar="ACTION")
    common, printing = _common(), _printing()

    def action(name: str, run: Callable[[argparse.Namespace], int], purpose: str, *parents: Any) -> Any:
        parser = actions.add_parser(
            name, help=purpose, description=purpose, parents=[*parents], formatter_class=Formatter
        )
        parser.set_defaults(run=lambda options: sys.exit(_guarded(run, options)))
        return parser

    one = action("validate", _validate, "say what is wrong with configs, as ignition-validate does", common)
    one.add_argument("files", nargs="+", metavar="FILE")
    one = action("render", _render, "print the Ignition JSON of a config", common, printing)
    one.add_argument("files", nargs=1, metavar="FILE")
    form = one.add_mutually_exclusive_group()
    form.add_argument("--fit", action="store_true", help="print the form that fits --platform: plain, else compressed")
    form.add_argument("--tree", action="store_true", help="print what will be on the machine instead of the JSON")
    one = action("merge", _merge, "merge configs as Ignition does; the later wins", common, printing)
    one.add_argument("files", nargs="+", metavar="FILE")
    one = action("diff", _diff, "show in what two configs differ, secrets masked", common)
    one.add_argument("--exit-code", action="store_true", help="end with 1 where they differ")
    one.add_argument("files", nargs=2, metavar="FILE")
    one = action("schema", _schema, "print the JSON Schema of Ignition configs, for editors")
    one.add_argument("--spec", metavar="VERSION", help="one spec version, such as 3.4.0; else all stable ones")


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, formatter_class=Formatter)
    common.add_argument("--files-dir", "-d", metavar="FOLDER", help="where local files of Butane configs are")
    common.add_argument("--target", metavar="VERSION", help="the Flatcar or Ignition version that will read it")
    common.add_argument(
        "--platform", metavar="NAME", help="the carrier: qemu, aws, azure, gcp, vmware, hyperv, metal ..."
    )
    common.add_argument("--architecture", choices=("amd64", "arm64"), help="of the machine")
    common.add_argument("--strict", action="store_true", help="take warnings for errors")
    common.add_argument(
        "--silence", action="append", default=[], metavar="CODE", help="leave out findings of this code"
    )
    common.add_argument("--json", action="store_true", help="write what was found as JSON")
    return common


def _printing() -> argparse.ArgumentParser:
    printing = argparse.ArgumentParser(add_help=False, formatter_class=Formatter)
    printing.add_argument("--pretty", "-p", action="store_true", help="indent the JSON")
    return printing


def _guarded(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run an action. Whatever goes wrong is one line, never a stack trace."""
    gc.disable()  # the process ends before a collection would pay
    try:
        status = run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return 130
    except FlatprovError as error:
        print(f"flatprov: {error}", file=sys.stderr)
        return 2 if isinstance(error, _UsageError) else 1
    except Exception as error:
        if os.environ.get("FLATPROV_DEBUG"):
            raise
        kind = type(error).__name__
        print(f"flatprov: a fault of flatprov itself ({kind}); FLATPROV_DEBUG=1 shows where", file=sys.stderr)
        return 1
    return status


class _UsageError(ConfigError):
    """An option has a value that means nothing."""


def _target(options: argparse.Namespace) -> Target:
    from flatprov.flatcar.targets import target_of

    if options.platform:
        from flatprov.ignition.carriers import CARRIERS

        if options.platform not in CARRIERS:
            fix = f"use one of {', '.join(CARRIERS)}"
            raise _UsageError(f"--platform {options.platform!r}", "is unknown", fix)
    platform = (options.platform or "").partition("-")[0]
    try:
        return target_of(options.target or "", platform=platform, architecture=options.architecture or "")
    except ConfigError as error:
        raise _UsageError(f"--{error.subject}", error.problem, error.fix) from None


def _loaded(options: argparse.Namespace, name: str, target: Target) -> Loaded:
    from flatprov.cli.configs import load, spec_entry
    from flatprov.ignition.findings.codes import checked

    try:
        checked(code for code in options.silence if code not in _OWN_CODES)
    except ConfigError as error:
        raise _UsageError("--silence", error.problem, error.fix) from None
    found = load(name, files_dir=options.files_dir, target=target, silence=options.silence)
    if found.config and options.target:
        found.report = found.report + spec_entry(found.config, target)
    return found


def _failed(report: Report, options: argparse.Namespace) -> bool:
    return bool(report.errors or (options.strict and report.warnings))


def _validate(options: argparse.Namespace) -> int:
    target, failed = _target(options), False
    for name in options.files:
        found = _loaded(options, name, target)
        found.report = found.report + _budget(found.config, options)
        failed = failed or _failed(found.report, options)
        _report(found.report, options, name if len(options.files) > 1 else "", sys.stdout)
    return int(failed)


def _report(report: Report, options: argparse.Namespace, name: str, stream: Any) -> None:
    lead = f"{name}: " if name else ""
    if not options.json:
        for entry in report:
            print(_escaped(f"{lead}{entry}"), file=stream)
        return
    entries = [
        {"level": entry.level, "path": entry.where(), "message": entry.message, "code": entry.code, "fix": entry.fix,
         "line": entry.line, "column": entry.column}
        for entry in report
    ]  # fmt: skip
    said = {"file": name} if name else {}
    print(json.dumps({**said, "valid": not _failed(report, options), "entries": entries}), file=stream)


def _escaped(text: str) -> str:
    """Write out what a terminal would obey, and what no encoding can carry."""
    return "".join(one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)


def _budget(config: dict[str, Any], options: argparse.Namespace) -> Report:
    from flatprov.ignition.report import Entry, Report

    if not options.platform or not config:
        return Report()
    from flatprov.ignition.budget import Forms, fit, line
    from flatprov.ignition.carriers import CARRIERS

    forms, entries = Forms(config), []
    for carrier in CARRIERS.values():
        if carrier.name == options.platform or carrier.name.startswith(f"{options.platform}-"):
            try:
                fit(forms, carrier)
                entries.append(Entry("info", (), line(forms, carrier)))
            except BudgetError as error:
                entries.append(Entry("error", (), f"{error.subject}: {error.problem}", "budget", error.fix))
    return Report(tuple(entries))


def _render(options: argparse.Namespace) -> int:
    if options.fit and not options.platform:
        raise _UsageError("--fit", "needs to know the carrier", "give --platform too")
    target = _target(options)
    found = _loaded(options, options.files[0], target)
    report = found.report + _budget(found.config, options)
    if report or options.json:
        _report(report, options, "", sys.stderr)
    if _failed(report, options) or not found.config:
        return 1
    if options.tree:
        from flatprov.ignition.tree import tree

        _write("".join(f"{line}\n" for line in tree(found.config).lines()))
    elif options.fit:
        from flatprov.ignition.budget import fit

        _write_bytes(fit(found.config, options.platform).data + b"\n")
    else:
        _write(_text(found.config, options))
    return 0


def _merge(options: argparse.Namespace) -> int:
    from flatprov.ignition.conflicts import conflicts
    from flatprov.ignition.merging import merge_all
    from flatprov.ignition.report import Report

    target, report, layers = _target(options), Report(), []
    for name in options.files:
        found = _loaded(options, name, target)
        if not found.config:
            _report(found.report, options, name, sys.stderr)
            return 1
        layers.append((name, found.config))
    merged = merge_all([config for _, config in layers])
    report = conflicts(layers).without(options.silence) + _budget(merged, options)
    if report or options.json:
        _report(report, options, "", sys.stderr)
    if _failed(report, options):
        return 1
    _write(_text(merged, options))
    return 0


def _diff(options: argparse.Namespace) -> int:
    from flatprov.ignition.readable import changes

    target, configs = _target(options), []
    for name in options.files:
        found = _loaded(options, name, target)
        if not found.config:
            _report(found.report, options, name, sys.stderr)
            return 1
        configs.append(found.config)
    found_changes = changes(*configs)
    if options.json:
        said = [{"path": one.path, "summary": one.summary, "lines": list(one.lines)} for one in found_changes]
        _write(json.dumps(said) + "\n")
    else:
        _write("".join(f"{_escaped(str(change))}\n" for change in found_changes))
    return int(options.exit_code and bool(found_changes))


def _schema(options: argparse.Namespace) -> int:
    from flatprov.ignition.jsonschema import json_schema

    try:
        schema = json_schema(options.spec)
    except ConfigError as error:
        raise _UsageError("--spec", error.problem, error.fix) from None
    _write(json.dumps(schema, indent=2) + "\n")
    return 0


def _text(config: dict[str, Any], options: argparse.Namespace) -> str:
    from flatprov.ignition.transport import dumps

    text = json.dumps(config, sort_keys=True, indent=2, ensure_ascii=False) if options.pretty else dumps(config)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it, UTF-8 cannot
        text = json.dumps(config, sort_keys=True, indent=2 if options.pretty else None)
    return text + "\n"


def _write(text: str) -> None:
    _write_bytes(text.encode())


def _write_bytes(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
