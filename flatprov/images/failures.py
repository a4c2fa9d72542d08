"""The kinds of image errors, each with a stable word to search the documentation for."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from flatprov.errors import ImageError

Kind: TypeAlias = Literal[
    # transfer
    "unreachable",  # no connection to the server, or no answer in time
    "not-found",  # 404
    "refused",  # another 4xx
    "server-failed",  # 5xx, after retries
    "truncated",  # the connection ended early, after retries
    "stalled",  # the server stopped sending
    "changed",  # the file changed on the server again and again
    "redirects",  # a redirect loop, or one from https to http
    "tls",  # the server's certificate is not trusted
    "too-large",  # more bytes than allowed
    "protocol",  # an answer that cannot be used
    # this machine
    "disk-full",
    "permission",
    "local-file",
    # verification
    "key",  # the key is not the pinned one, or is no key
    "unsigned",  # nothing is signed where a signature is needed
    "wrong-key",  # signed, by another key
    "revoked-key",
    "key-not-valid",  # outside the signing key's time
    "bad-signature",  # the signed bytes were altered
    "not-listed",  # the signed digests are of another file
    "digest",  # the file is not what its digest says
    "stale",  # truly signed, but before the wanted version existed, or named as another version
    # content
    "format",
    "unpack",
]


_LOGIN = re.compile(r"(https?://)[^/\s]*@")
_QUERY = re.compile(r"(https?://[^\s?]*)\?[^\s]*")


def image_error(kind: Kind, subject: str, problem: str, fix: str = "") -> ImageError:
    """Make an ImageError whose ``code`` is ``image-KIND``. Logins and queries of URLs do not get into it."""
    error = ImageError(shown(subject), shown(problem), shown(fix))
    error.code = f"image-{kind}"
    return error


def shown(text: str) -> str:
    """A text without the logins and queries of the URLs in it: both may be secrets (a password, a signed access)."""
    return _QUERY.sub(r"\1?…", _LOGIN.sub(r"\1", text))


def disk_error(subject: str, error: OSError, where: str) -> ImageError:
    """Say what the operating system refused: a full disk, a permission, or something rarer."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return image_error(
            "disk-full", subject, f"no space left in {where}", "free space or choose another store folder"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return image_error(
            "permission",
            subject,
            f"may not write in {where}",
            "give this user the right, or choose another store folder",
        )
    return image_error("local-file", subject, f"{error.strerror or error} in {where}", "check the folder and the disk")
