"""What is wrong with a TLS host's certificate: libvirt says only that it could not be verified."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_PORT = 16514
_LIMIT_SECONDS = 10.0
_AUTHORITY = (Path("/etc/pki/CA/cacert.pem"), Path("~/.pki/libvirt/cacert.pem"))


def complaint(uri: str) -> str:
    """Why the certificate of a host does not hold, in OpenSSL's words; empty when it does or cannot be had.

    Args:
        uri: the connection URI, with the folder of certificates (``pkipath``) if it names one.
    """
    parts = urlsplit(uri)
    host = parts.hostname or ""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(_authority(parts.query))
        with (
            socket.create_connection((host, parts.port or _PORT), _LIMIT_SECONDS) as line,
            context.wrap_socket(line, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    except OSError:
        return ""


def _authority(query: str) -> Path:
    folder = parse_qs(query).get("pkipath", [""])[0]
    if folder:
        return Path(folder) / "cacert.pem"
    return next((path for path in map(Path.expanduser, _AUTHORITY) if path.exists()), _AUTHORITY[0])
