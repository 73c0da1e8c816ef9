# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority, the keys of the node's programs and kubeconfig files, new for each bed."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.beds.kubernetes.settings import API_URL, CONTEXT, DOMAIN, FIRST_SERVICE_ADDRESS, NODE, NODE_ADDRESS, Bed

DAYS = 30
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_API = "kubernetes.default.svc"
API_NAMES = ("localhost", "kubernetes", "kubernetes.default", _API, f"{_API}.{DOMAIN}")

# User and group of each client, by which RBAC knows what it may do. The name server is the service account that
# Kubernetes' own rules let read Services and Endpoints. `restricted` has no rights at all.
CLIENTS = {
    "admin": ("kubernetes-admin", "system:masters"),
    "restricted": ("restricted", None),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-scheduler": ("system:kube-scheduler", None),
    "kube-proxy": ("system:kube-proxy", None),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "names": ("system:serviceaccount:kube-system:kube-dns", None),
}


@dataclass(frozen=True)
class Pair:
    certificate: bytes
    key: bytes


def write_secret(path: Path, content: bytes) -> None:
    """Readable by its owner only, from the first moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The API server does not read PKCS8 where it looks for the key of tokens.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _name(user: str, group: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


class Authority:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(CONTEXT, None)
        constraint = x509.BasicConstraints(ca=True, path_length=0)
        certificate = self._builder(self._subject, self._key).add_extension(constraint, critical=True)
        self.pair = self._signed(certificate, self._key)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            # Clocks that differ a little are no reason to fail.
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=DAYS))
        )

    def _signed(self, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> Pair:
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))

    def issue(self, user: str, group: str | None, usage: x509.ObjectIdentifier, names: tuple[str, ...] = ()) -> Pair:
        """A certificate for a client or a server; names are host names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(user, group), key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), False)
        return self._signed(builder, key)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def kubeconfig(authority: bytes, pair: Pair, context: str) -> bytes:
    """A kubeconfig file that needs no other file."""

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode("ascii")

    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [
            {"name": CONTEXT, "cluster": {"server": API_URL, "certificate-authority-data": encoded(authority)}},
        ],
        "users": [
            {
                "name": context,
                "user": {
                    "client-certificate-data": encoded(pair.certificate),
                    "client-key-data": encoded(pair.key),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": CONTEXT, "user": context}}],
    }
    return yaml.safe_dump(content, sort_keys=False).encode()


def make(bed: Bed) -> None:
    """All keys and kubeconfig files of a new bed."""
    authority = Authority()
    servers = {
        "apiserver": ("kube-apiserver", (*API_NAMES, FIRST_SERVICE_ADDRESS, NODE_ADDRESS, "127.0.0.1")),
        "kubelet-server": (f"system:node:{NODE}", (NODE, NODE_ADDRESS)),
    }
    pairs = {name: authority.issue(user, None, SERVER, names) for name, (user, names) in servers.items()}
    pairs["authority"] = authority.pair
    pairs["kubelet-client"] = authority.issue("kube-apiserver", "system:masters", CLIENT)
    for name, pair in pairs.items():
        write_secret(bed.keys / f"{name}.crt", pair.certificate)
        write_secret(bed.keys / f"{name}.key", pair.key)
    tokens = ec.generate_private_key(ec.SECP256R1())
    write_secret(bed.keys / "tokens.key", _pem(tokens))
    for name, (user, group) in CLIENTS.items():
        context = {"admin": CONTEXT, "restricted": f"{CONTEXT}-restricted"}.get(name, name)
        content = kubeconfig(authority.pair.certificate, authority.issue(user, group, CLIENT), context)
        write_secret(bed.kubeconfig(name), content)
