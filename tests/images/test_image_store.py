"""The store as a whole: what is in it, what may go, what is damaged; across processes."""

from __future__ import annotations

import bz2
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flatprov.errors import CancelledError, ImageError
from flatprov.images.garbage import Collected, collect_garbage
from flatprov.images.inventory import list_store, verify_store
from flatprov.images.locks import in_use
from flatprov.images.store import Store, name_of
from flatprov.images.unpack import unpack_stream

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, content: bytes, name: str = "image.img", used_days_ago: float = 0.0) -> Path:
    store.prepare()
    part = store.part_path(name)
    part.write_bytes(content)
    path = store.commit(part, hashlib.sha512(content).hexdigest(), name)
    return aged(store, path, used_days_ago)


def put_unpacked(store: Store, content: bytes, name: str, used_days_ago: float = 0.0) -> tuple[Path, Path]:
    packed = put(store, bz2.compress(content), f"{name}.bz2", used_days_ago)
    part = store.part_path(f"unpack {name}")
    digest = unpack_stream(packed, part, "bz2")
    path = store.commit_unpacked(part, hashlib.sha512(packed.read_bytes()).hexdigest(), name, digest)
    return packed, aged(store, path, used_days_ago)


def aged(store: Store, path: Path, days: float) -> Path:
    then = time.time() - days * DAY
    for record in (store.root / "known").glob("*.json"):
        if f'"{path}"' in record.read_text():
            os.utime(record, (then, then))
    return path


def names(done: Collected) -> list[str]:
    return [one.file_name for one in done.removed]


def test_listing_tells_what_is_there(store: Store) -> None:
    assert list_store(store) == []
    content = b"disk" + bytes(3 << 20)
    packed, unpacked = put_unpacked(store, content, "a.img", 2)
    put(store, b"other", "b.img", 1)
    store.part_path("http://x/c").write_bytes(b"half")
    store.refer(packed.parent.name, "stack dev")
    found = {(one.kind, one.file_name): one for one in list_store(store)}
    assert set(found) == {
        ("published", "a.img.bz2"),
        ("unpacked", "a.img"),
        ("published", "b.img"),
        ("partial", f"{name_of('http://x/c')}.part"),
    }
    one = found["unpacked", "a.img"]
    assert (one.path, one.sha512, one.size_bytes) == (unpacked, packed.parent.name, len(content))
    assert one.disk_bytes < len(content) / 10
    assert abs(time.time() - 2 * DAY - one.used_at) < 60
    assert one.references == ("stack dev",)
    assert not any(each.in_use for each in found.values())
    assert [each.kind for each in list_store(store)][:2] == ["partial", "published"], "the last used first"


def test_asking_for_a_file_is_using_it(store: Store) -> None:
    path = put(store, b"x", used_days_ago=90)
    assert store.find(path.parent.name, path.name) == path
    assert collect_garbage(store, retain=0).removed == ()


def test_old_files_go_and_the_last_of_each_name_stays(store: Store) -> None:
    for age in (90, 60, 40, 10):
        put(store, b"v%d" % age, used_days_ago=age)
    lone = put(store, b"lone", "lone.img", 400)
    done = collect_garbage(store, retain=1, dry_run=True)
    assert names(done) == ["image.img"] * 3
    assert len(list_store(store)) == 5, "a dry run removes nothing"
    done = collect_garbage(store, retain=2)
    assert sorted(one.path.parent.name for one in done.removed) == sorted(
        hashlib.sha512(text).hexdigest() for text in (b"v90", b"v60")
    )
    assert lone.exists()
    assert {one.file_name: reason for one, reason in done.kept}["lone.img"] == "one of the last of its name"
    assert not (store.root / "blobs" / hashlib.sha512(b"v90").hexdigest()[:2]).exists(), "no empty folder stays"
    assert len(list((store.root / "known").iterdir())) == 3


def test_size_cap_takes_the_longest_unused(store: Store) -> None:
    for age, letter in enumerate("abcd"):
        put(store, letter.encode() * 100_000, f"{letter}.img", age)
    one = list_store(store)[0].disk_bytes
    done = collect_garbage(store, retain=0, max_bytes=2 * one)
    assert names(done) == ["d.img", "c.img"]
    assert done.freed_bytes == 2 * one


def test_what_is_needed_stays(store: Store) -> None:
    referred, kept, read = (put(store, text.encode(), f"{text}.img", 90) for text in ("referred", "kept", "read"))
    packed, unpacked = put_unpacked(store, b"packed", "p.img", 90)
    store.refer(referred.parent.name, "stack dev")
    store.refer(referred.parent.name, "stack dev")
    store.refer(packed.parent.name, "stack dev")
    with in_use(read):
        done = collect_garbage(store, retain=0, keep=[kept.parent.name.upper()])
    assert done.removed == ()
    assert {one.file_name: reason for one, reason in done.kept} == {
        "referred.img": "referred to by stack dev",
        "kept.img": "asked to keep",
        "read.img": "in use",
        "p.img": "referred to by stack dev",
        "p.img.bz2": "referred to by stack dev",
    }
    store.unrefer(referred.parent.name, "stack dev")
    store.unrefer(referred.parent.name, "never said")
    assert set(names(collect_garbage(store, retain=0))) == {"referred.img", "kept.img", "read.img"}
    assert unpacked.exists()


def test_partial_files_go_when_old_and_nobody_works_on_them(store: Store) -> None:
    store.prepare()
    for key in ("held", "left", "fresh"):
        store.part_path(key).write_bytes(b"half")
        Path(f"{store.part_path(key)}.json").write_text("{}")
        then = time.time() - (8 if key != "fresh" else 1) * DAY
        os.utime(store.part_path(key), (then, then))
    with store.lock("held"):
        done = collect_garbage(store)
    assert names(done) == [f"{name_of('left')}.part"]
    assert {path.name for path in (store.root / "partial").iterdir()} == {
        f"{name_of(key)}.part{suffix}" for key in ("held", "fresh") for suffix in ("", ".json")
    }


def test_reading_what_was_removed_meanwhile_says_so(store: Store) -> None:
    path = put(store, b"x")
    path.unlink()
    with pytest.raises(ImageError), in_use(path):
        pass


def test_a_lock_file_that_was_tidied_away_still_locks(store: Store) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(30):
            with store.lock("k"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        store.tidy()
    assert max(most) == 1


def test_verify_finds_every_kind_of_damage(store: Store) -> None:
    good = put(store, b"good", "good.img")
    bad = put(store, b"bad content", "bad.img")
    packed, unpacked = put_unpacked(store, b"disk" * 1000 + bytes(2 << 20), "u.img")
    assert [one.problem for one in verify_store(store)] == [""] * 4
    for path in (bad, unpacked):
        stat = path.stat()
        path.chmod(0o644)
        with path.open("r+b") as file:
            file.write(b"B")
        path.chmod(0o444)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # bit rot leaves no trace
    seen: list[tuple[int, int]] = []
    kept = verify_store(store, remove=False, progress=lambda done, total: seen.append((done, total)))
    assert {one.file.file_name: bool(one.problem) for one in kept} == {
        "good.img": False, "bad.img": True, "u.img": True, "u.img.bz2": False,
    }  # fmt: skip
    assert seen[-1][0] == seen[-1][1] > 0
    assert bad.exists()
    done = verify_store(store)
    assert {one.file.file_name for one in done if one.removed} == {"bad.img", "u.img"}
    assert good.exists()
    assert packed.exists()
    assert not bad.exists()
    assert not unpacked.exists()
    with pytest.raises(CancelledError):
        verify_store(store, cancelled=lambda: True)


def test_an_unpacked_file_that_was_changed_is_not_found(store: Store) -> None:
    packed, unpacked = put_unpacked(store, b"disk" * 1000, "u.img")
    source = packed.parent.name
    os.utime(unpacked)  # another stamp, the same bytes
    assert store.find_unpacked(source, "u.img") == unpacked
    unpacked.chmod(0o644)
    unpacked.write_bytes(b"evil" * 1000)
    assert store.find_unpacked(source, "u.img") is None
    assert not unpacked.exists()


def test_a_folder_that_every_user_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ImageError, match="every user may write") as error:
        Store(tmp_path / "open").prepare()
    assert error.value.code == "image-permission"


HOLD = """
import sys
from flatprov.images.locks import in_use
from pathlib import Path
with in_use(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_file_in_use_by_another_process_stays_until_that_dies(store: Store) -> None:
    path = put(store, b"x", used_days_ago=90)
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"held\n"
        assert list_store(store)[0].in_use
        assert collect_garbage(store, retain=0).removed == ()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()
    assert names(collect_garbage(store, retain=0)) == ["image.img"]
