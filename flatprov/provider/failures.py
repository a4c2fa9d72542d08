"""Exceptions as the engine's answers: one sentence for the user, the trace at DEBUG, the partial state in a detail."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

import grpc
from pulumi.runtime import proto as pb
from pulumi.runtime.proto.status_pb2 import Status

from flatprov.errors import FlatprovError
from flatprov.provider.values import dump_map

Metadata = tuple[tuple[str, bytes], ...]


def message(error: BaseException) -> str:
    """What the user reads. An unforeseen exception's own text stays out: it may quote a secret."""
    if isinstance(error, FlatprovError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].name} in {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return (
        f"flatprov: a fault in flatprov itself ({type(error).__name__}{where}). "
        "Run again with `--logtostderr -v=9 --debug` for the trace and report it"
    )


def trace(error: BaseException) -> str:
    """The call stack for DEBUG, without exception texts."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"


def status(text: str, id_: str, properties: Mapping[str, Any], *, refresh_before_update: bool = False) -> Metadata:
    """The trailer that makes the engine record a resource that exists but failed to become what was asked."""
    detail = pb.ErrorResourceInitFailed(
        id=id_, properties=dump_map(properties), reasons=[text], refresh_before_update=refresh_before_update
    )
    rich = Status(code=grpc.StatusCode.UNKNOWN.value[0], message=text)
    rich.details.add().Pack(detail)
    return (("grpc-status-details-bin", rich.SerializeToString()),)
