from __future__ import annotations

from collections.abc import Iterator

import pytest
from provider_engine import InProcess, RecordingEngine
from provider_resources import RESOURCES


@pytest.fixture
def engine() -> Iterator[RecordingEngine]:
    found = RecordingEngine()
    yield found
    found.stop()


@pytest.fixture
def plugin(engine: RecordingEngine) -> Iterator[InProcess]:
    found = InProcess(engine, RESOURCES)
    yield found
    found.close()
