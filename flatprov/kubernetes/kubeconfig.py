"""kubeconfigs: made here from the CA, never fetched from a node."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any, Final

from flatprov.errors import ConfigError
from flatprov.kubernetes.endpoints import Endpoint
from flatprov.kubernetes.pki import CLIENT_LIFE, issue_client, issued_by, renewal_due
from flatprov.kubernetes.tokens import BootstrapToken
from flatprov.kubernetes.trust import Algorithm, KeyPair

#: A group that works before the cluster has any roles, and that cannot be taken away but with the CA.
SUPER_ADMIN: Final = ("kubernetes-super-admin", "system:masters")
#: A group that has its rights by a role binding which kubeadm makes.
ADMIN: Final = ("kubernetes-admin", "kubeadm:cluster-admins")
#: So long before its end an admin's certificate is made anew.
RENEW_BEFORE: Final = timedelta(days=60)


def admin_kubeconfig(
    authority: KeyPair,
    endpoint: Endpoint,
    now: datetime,
    *,
    cluster: str,
    user: tuple[str, str] = SUPER_ADMIN,
    algorithm: Algorithm = "ECDSA-P256",
    life: timedelta = CLIENT_LIFE,
) -> bytes:
    """Make a kubeconfig with a client certificate of its own. Secret.

    Args:
        authority: the cluster's CA.
        endpoint: where the API is.
        now: the time, with a time zone.
        cluster: the name it has in the file.
        user: common name and organization: user and group.
        algorithm: the client key's.
        life: of the certificate, a year by default.
    """
    common_name, organization = user
    client = issue_client(
        authority, now, common_name=common_name, organization=organization, algorithm=algorithm, life=life
    )
    credentials = {
        "client-certificate-data": base64.b64encode(client.certificate).decode("ascii"),
        "client-key-data": base64.b64encode(client.key).decode("ascii"),
    }
    return _document(cluster, endpoint, authority.certificate, common_name, credentials)


def bootstrap_kubeconfig(certificate: bytes, endpoint: Endpoint, token: BootstrapToken, *, cluster: str) -> bytes:
    """Make a kubeconfig with which a machine may only ask for a node certificate. Secret.

    Args:
        certificate: the cluster's CA, PEM.
        endpoint: where the API is.
        token: the bootstrap token.
        cluster: the name it has in the file.
    """
    return _document(cluster, endpoint, certificate, "tls-bootstrap-token-user", {"token": token.text})


def kubeconfig_renewal_due(
    kubeconfig: bytes, authority: bytes, endpoint: Endpoint, now: datetime, *, renew_before: timedelta = RENEW_BEFORE
) -> bool:
    """Tell whether a kubeconfig of ours has to be made anew.

    It has when its certificate ends soon, when the CA became another one, or when the API has moved.

    Args:
        kubeconfig: as ``admin_kubeconfig`` made it.
        authority: the cluster's CA certificate, PEM.
        endpoint: where the API is.
        now: the time.
        renew_before: how long before its end.

    Raises:
        ConfigError: it is no kubeconfig made here.
    """
    try:
        document = json.loads(kubeconfig)
        cluster = document["clusters"][0]["cluster"]
        user = document["users"][0]["user"]
        certificate = base64.b64decode(user["client-certificate-data"], validate=True)
        known = base64.b64decode(cluster["certificate-authority-data"], validate=True)
        server = str(cluster["server"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise ConfigError("kubeconfig", "it is none that flatprov made", "make a new one") from None
    if server != endpoint.url or known != authority or not issued_by(certificate, authority):
        return True
    return renewal_due(certificate, now, renew_before)


def _document(cluster: str, endpoint: Endpoint, certificate: bytes, user: str, credentials: dict[str, str]) -> bytes:
    context = f"{user}@{cluster}"
    found: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster,
                "cluster": {
                    "server": endpoint.url,
                    "certificate-authority-data": base64.b64encode(certificate).decode("ascii"),
                },
            }
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
        "current-context": context,
    }
    return json.dumps(found, indent=1).encode() + b"\n"
