"""Valid configs of all kinds, made by hypothesis."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

from flatprov import ignition as ign

# Short names make two configs meet; long ones make them differ.
WORDS = st.sampled_from("abcd") | st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=8)
TEXT = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), WORDS.map(lambda word: word * 90))
FLAG = st.none() | st.booleans()
NUMBER = st.none() | st.integers(0, 60000)
MODE = st.none() | st.sampled_from([0, 0o400, 0o600, 0o644, 0o755, 0o1777, 0o4755])
URLS = WORDS.map("https://h.example/{}?a=b%20c".format)
HASHES = st.none() | st.sampled_from(["sha512-" + "0a" * 64, "sha256-" + "0a" * 32])
OWNER = st.one_of(st.none(), WORDS, st.integers(0, 9999), st.just(ign.Owner(id=0, name="")))
KEYS = st.binary(min_size=32, max_size=32).map(
    lambda raw: (
        "ssh-ed25519 "
        + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw).decode("ascii")
        + " somebody@somewhere"
    )
)
REMOTE = st.builds(
    ign.Remote,
    URLS,
    hash=HASHES,
    compression=st.sampled_from([None, "", "gzip"]),
    headers=st.none() | st.dictionaries(WORDS, WORDS, max_size=2),
)
CONTENTS = st.one_of(TEXT, st.binary(max_size=80), REMOTE)
UNIT_TEXT = st.sampled_from(
    ["", "[Service]\nExecStart=/bin/true\n", "[Unit]\nDescription=a\n\n[Install]\nWantedBy=multi-user.target\n"]
)


def unique(items: st.SearchStrategy[Any], key: str, most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, max_size=most, unique_by=lambda item: getattr(item, key))


def words(most: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(WORDS, max_size=most, unique=True)


USERS = st.builds(
    ign.User, WORDS, ssh_keys=st.lists(KEYS, max_size=2, unique=True), password_hash=st.none() | WORDS, groups=words(),
    uid=NUMBER, gecos=st.none() | TEXT, home_dir=st.none() | WORDS.map("/home/{}".format),
    primary_group=st.none() | WORDS, shell=st.none() | st.just("/bin/bash"), no_create_home=FLAG,
    no_log_init=FLAG, no_user_group=FLAG, system=FLAG, should_exist=FLAG,
)  # fmt: skip
GROUPS = st.builds(ign.Group, WORDS, gid=NUMBER, password_hash=st.none() | WORDS, system=FLAG, should_exist=FLAG)
FILES = st.builds(
    ign.File, WORDS.map("/files/{}".format), CONTENTS, mode=MODE, user=OWNER, group=OWNER, overwrite=FLAG,
    append=st.lists(CONTENTS, max_size=2),
)  # fmt: skip
DIRECTORIES = st.builds(ign.Directory, WORDS.map("/dirs/{}".format), mode=MODE, user=OWNER, group=OWNER, overwrite=FLAG)
LINKS = st.builds(ign.Link, WORDS.map("/links/{}".format), WORDS, hard=FLAG, user=OWNER, group=OWNER, overwrite=FLAG)
DROPINS = st.builds(ign.DropIn, WORDS.map("{}.conf".format), st.none() | UNIT_TEXT)
UNITS = st.builds(
    ign.Unit, st.builds(str.__add__, WORDS, st.sampled_from([".service", ".timer", "@.service", "@x.socket"])),
    contents=st.none() | UNIT_TEXT, enabled=st.sampled_from([None, True, False, "auto"]), mask=FLAG,
    dropins=unique(DROPINS, "name"),
)  # fmt: skip
PARTITIONS = st.builds(
    ign.Partition, label=WORDS, number=st.integers(1, 9), size_mib=NUMBER, type_guid=st.none() | st.just(
        "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"), wipe_partition_entry=FLAG, resize=FLAG,
)  # fmt: skip
DISKS = st.builds(
    ign.Disk, WORDS.map("/dev/disk/{}".format), wipe_table=FLAG,
    partitions=st.lists(PARTITIONS, max_size=3, unique_by=(lambda one: one.label, lambda one: one.number)),
)  # fmt: skip
RAIDS = st.builds(
    ign.Raid, WORDS, level=st.sampled_from(["raid1", "mirror", "10"]), spares=st.none() | st.integers(0, 2),
    devices=st.lists(WORDS.map("/dev/{}".format), min_size=1, max_size=3, unique=True),
    options=st.lists(WORDS, max_size=2),
)  # fmt: skip
FILESYSTEMS = st.builds(
    ign.Filesystem, WORDS.map("/dev/part/{}".format), format=st.sampled_from(["ext4", "xfs", "vfat", "none"]),
    path=st.none() | WORDS.map("/mnt/{}".format), label=st.none() | WORDS, uuid=st.none() | WORDS, wipe_filesystem=FLAG,
    options=st.lists(WORDS, max_size=2), mount_options=st.lists(WORDS, max_size=2),
)  # fmt: skip
TANGS = st.builds(ign.Tang, URLS, thumbprint=WORDS, advertisement=st.sampled_from([None, '{"a":1}']))
CLEVIS = st.one_of(
    st.none(),
    st.builds(ign.Clevis, tang=unique(TANGS, "url", 2), tpm2=FLAG, threshold=st.none() | st.integers(0, 2)),
    st.builds(
        ign.Clevis,
        custom=st.builds(ign.ClevisCustom, pin=st.just("sss"), config=WORDS, needs_network=FLAG),
    ),
)
LUKS = st.builds(
    ign.Luks, WORDS, device=WORDS.map("/dev/{}".format), label=st.none() | WORDS, uuid=st.none() | WORDS,
    key_file=st.none() | CONTENTS, clevis=CLEVIS, options=st.lists(WORDS, max_size=2), wipe_volume=FLAG, discard=FLAG,
    open_options=words(2), cex=st.none() | st.just(False),
)  # fmt: skip
KERNEL_ARGUMENTS = words(4).map(lambda found: ign.KernelArguments(should_exist=found[:2], should_not_exist=found[2:]))
CONFIGS = st.builds(
    ign.Ignition, users=unique(USERS, "name", 2), groups=unique(GROUPS, "name", 2), files=unique(FILES, "path"),
    directories=unique(DIRECTORIES, "path"), links=unique(LINKS, "path", 2), units=unique(UNITS, "name"),
    disks=unique(DISKS, "device", 2), raid=unique(RAIDS, "name", 2), filesystems=unique(FILESYSTEMS, "device", 2),
    luks=unique(LUKS, "name", 2), kernel_arguments=st.none() | KERNEL_ARGUMENTS, merge=unique(REMOTE, "source", 2),
    replace=st.none() | REMOTE, certificate_authorities=unique(REMOTE, "source", 1),
    proxy=st.none() | st.builds(ign.Proxy, http_proxy=st.none() | URLS, https_proxy=st.none() | URLS, no_proxy=words()),
    timeouts=st.none() | st.builds(ign.Timeouts, http_response_headers=NUMBER, http_total=NUMBER),
)  # fmt: skip
