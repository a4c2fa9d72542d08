"""Why a libvirt host cannot be reached, in a user's terms. Pure.

libvirt hands on what its transport said: the C library, ``ssh`` or GnuTLS. The words below are theirs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

_GROUP = (
    "run `sudo usermod -aG libvirt $USER`, log in again, or use an account that may (polkit: org.libvirt.unix.manage)"
)

NO_ANSWER = "it does not answer"
_QEMU = re.compile(r"qemu(\+[a-z0-9]+)?://.*|[A-Za-z0-9._-]+")


class Address(NamedTuple):
    """A connection URI's parts.

    Attributes:
        transport: ``unix``, ``ssh``, ``tls``, ``tcp``, or what stands there.
        host: the other machine; empty for a daemon on this one.
        path: ``/system`` or ``/session``.
        socket: the socket that the URI names, or an empty text.
    """

    transport: str
    host: str
    path: str
    socket: str


@dataclass(frozen=True)
class Reason:
    """Why a connection failed.

    Args:
        problem: what is wrong.
        fix: what to do.
        denied: the host answered, and does not let this user in.
    """

    problem: str
    fix: str
    denied: bool = False


def address(uri: str) -> Address:
    """A URI's parts; without a transport libvirt takes the socket on this machine, and TLS to another one."""
    parts = urlsplit(uri)
    _, _, transport = parts.scheme.partition("+")
    host = parts.hostname or ""
    socket = parse_qs(parts.query).get("socket", [""])[0]
    return Address(transport or ("tls" if host else "unix"), host, parts.path, socket)


def is_qemu(uri: str) -> bool:
    """Whether a text is a URI of libvirt's QEMU driver, or may be an alias of ``libvirt.conf``."""
    return _QEMU.fullmatch(uri) is not None


def without_password(uri: str) -> str:
    """A URI as it may be shown and kept."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", uri)


def explain(said: str, uri: str) -> Reason:
    """The reason behind libvirt's words.

    Args:
        said: libvirt's message.
        uri: the connection URI.
    """
    there = address(uri)
    return _known(said, there) or Reason(NO_ANSWER, _by_transport(there))


def refusal(said: str, uri: str) -> Reason | None:
    """The reason behind words that are known to mean one; None for others."""
    return _known(said, address(uri))


def _known(said: str, there: Address) -> Reason | None:
    for pattern, problem, fix, denied in _REASONS:
        match = re.search(pattern, said, re.IGNORECASE)
        if match:
            found = next((group for group in match.groups() if group), "")
            names = {"host": there.host or "this machine", "it": found}
            return Reason(problem.format(**names), fix.format(**names) or _by_transport(there), denied)
    return None


def _by_transport(there: Address) -> str:
    if "ssh" in there.transport:
        return "try `ssh` to that host by hand; it needs libvirtd and nc or virt-ssh-helper there"
    if there.transport == "tls":
        return "check that libvirtd-tls.socket listens there and that the certificates are valid"
    if there.host:
        return "check the address and the port, and that the daemon listens there"
    if there.socket:
        return "check that the daemon behind this socket still runs"
    return (
        "start it with `systemctl start libvirtd` (or virtqemud.socket), or install the package libvirt-daemon-system"
    )


_REFUSED = r"connection refused"
_NO_SOCKET = r"failed to connect socket to '([^']*)': no such file"
_DEAD_SOCKET = r"failed to connect socket to '([^']*)': connection refused"
_NO_ENTRY = r"failed to connect socket to '([^']*)': permission denied"
_SSH_DENIED = r"permission denied \((?:publickey|password|keyboard)[^)]*\)"
#: (what was said, what it means, what to do or nothing for the transport's usual advice, whether the host refused)
_REASONS: tuple[tuple[str, str, str, bool], ...] = (
    # a socket on this machine
    (_NO_SOCKET, "there is no socket {it}: no libvirt daemon has started on {host}", "", False),
    (_DEAD_SOCKET, "nothing listens on the socket {it} of {host}: the daemon has ended", "", False),
    (_NO_ENTRY, "this user may not open the socket {it} on {host}", _GROUP, True),
    (
        r"no polkit agent|org\.libvirt\.unix\.manage|polkit",
        "polkit does not let this user manage machines",
        _GROUP,
        True,
    ),
    (
        r"read only access prevents",
        "this is a read-only connection",
        "use the socket libvirt-sock, not libvirt-sock-ro",
        True,
    ),
    # ssh
    (
        r"could not resolve hostname",
        "the name {host} is not known",
        "check its spelling, DNS, and ~/.ssh/config",
        False,
    ),
    (
        r"host key verification failed",
        "the host key of {host} is not known, or has changed",
        "run `ssh {host}` once by hand and compare the key; if the machine was replaced, `ssh-keygen -R {host}` first",
        False,
    ),
    (
        _SSH_DENIED,
        "{host} refuses this user's ssh login",
        "put the user into the URI (qemu+ssh://USER@{host}/system), add the key to that account, or `ssh-add` it here",
        True,
    ),
    (
        r"(?:nc|netcat|virt-ssh-helper): (?:command )?not found|socket proxy failed",
        "ssh works, but {host} has neither virt-ssh-helper nor nc",
        "install libvirt-clients or netcat-openbsd there",
        False,
    ),
    (
        r"cannot find 'ssh' in path|failed to run command.*ssh",
        "there is no ssh program here",
        "install openssh-client",
        False,
    ),
    # TLS
    (
        r"our own certificate (\S+) failed validation",
        "our own certificate {it} was not signed by the CA beside it",
        "put the CA certificate that signed it into the same folder as cacert.pem",
        False,
    ),
    (
        r"the client certificate (\S+) has expired",
        "our own certificate {it} has expired",
        "issue it anew",
        False,
    ),
    (
        r"cannot read (?:ca )?(?:certificate|key) '([^']*)'|cannot read private key '([^']*)'",
        "the certificate file {it} cannot be read",
        "put cacert.pem, clientcert.pem and clientkey.pem into one folder and name it in the URI: ?pkipath=FOLDER",
        False,
    ),
    (
        r"hasn't got a known issuer|not trusted|local issuer certificate|self.signed certificate",
        "the certificate of {host} was not signed by the CA in cacert.pem",
        "copy the CA certificate that signed the host's servercert.pem to cacert.pem here",
        False,
    ),
    (
        r"has expired",
        "a certificate has expired",
        "issue it anew; `openssl x509 -enddate -noout -in FILE` shows the date",
        False,
    ),
    (
        r"not yet active|not yet valid",
        "a certificate is not valid yet",
        "compare the clocks of both machines (`date -u`), then the certificate's dates",
        False,
    ),
    (
        r"does not match the hostname|hostname mismatch|ip address mismatch",
        "the certificate of {host} is made out to another name",
        "issue it with {host} among its subject alternative names, or use the name it has in the URI",
        False,
    ),
    (r"has been revoked", "the certificate of {host} was revoked", "issue a new one", False),
    (
        r"failed to verify peer's certificate|certificate failed validation",
        "the certificate of {host} does not hold",
        "check the CA, the dates and the host name in servercert.pem there",
        False,
    ),
    (
        r"unable to read tls confirmation|tls handshake failed",
        "{host} ended the TLS handshake: it does not accept our certificate",
        "check that its CA signed clientcert.pem, and tls_allowed_dn_list in its libvirtd.conf",
        True,
    ),
    # sockets over a network
    (
        _REFUSED,
        "{host} refuses connections on that port: nothing listens there",
        "",
        False,
    ),
    (
        r"timed out|no route to host|network is unreachable",
        "there is no way to {host}",
        "check the address, the route (VPN) and the firewall between",
        False,
    ),
    (
        r"authentication failed|authentication (?:is )?required",
        "the daemon wants a login that was not given",
        _GROUP,
        True,
    ),
    (
        r"unable to resolve address|name or service not known",
        "the name {host} is not known",
        "check its spelling and DNS",
        False,
    ),
)
