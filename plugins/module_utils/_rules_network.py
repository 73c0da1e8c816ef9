# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Rules on the web server and on what reaches it: address, prefix, hosts, origins, and the words for uvicorn."""

from __future__ import annotations

import fnmatch
import re
import shlex
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import Resolved, closest, show
from ansible_collections.mlops.mlflow.plugins.module_utils._catalogue import Catalogue
from ansible_collections.mlops.mlflow.plugins.module_utils._findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._rules_database import in_paths, is_host, is_loopback

# What MLflow sets on the web server's command line itself, and what would move the listener elsewhere.
OWN_WORDS = {
    "uvicorn_opts": frozenset(("--host", "--port", "--workers", "--uds", "--fd", "--factory")),
    "gunicorn_opts": frozenset(("-b", "--bind", "-w", "--workers")),
    "waitress_opts": frozenset(("--host", "--port", "--listen", "--unix-socket", "--call")),
}
SECRET_WORDS = frozenset(("--ssl-keyfile-password", "--keyfile-password"))

# The hosts that pass without any configuration.
DEFAULT_HOSTS = (
    "localhost",
    "127.0.0.1",
    "[::1]",
    "0.0.0.0",
    "localhost:*",
    "127.0.0.1:*",
    "[[]::1]:*",
    "0.0.0.0:*",
    "192.168.*",
    "10.*",
    *(f"172.{number}.*" for number in range(16, 32)),
    "fc00:*",
    "fd00:*",
)


def check_network(resolved: Resolved, catalogue: Catalogue) -> list[Finding]:
    """All rules of this file."""
    findings: list[Finding] = []
    findings += check_listener(resolved)
    findings += check_prefix(resolved)
    findings += check_server_options(resolved, catalogue)
    findings += check_security(resolved)
    findings += check_public_urls(resolved)
    return findings


def check_listener(resolved: Resolved) -> list[Finding]:
    findings = []
    host, label = resolved.value("host"), resolved.label("host")
    if host is not None:
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not is_host(bare) or bare != host:
            remedy = "write the IPv6 address without brackets" if bare != host and is_host(bare) else None
            findings.append(make_finding("host-invalid", label, f"{show(host)} is no address to listen on", remedy))
        elif resolved.request.platform != "host" and is_loopback(host) and host not in ("0.0.0.0", "::"):
            findings.append(make_finding("host-loopback", label, f"the server listens on {host}"))
    if resolved.request.platform == "kubernetes" and resolved.values["port"].source == "default":
        findings.append(make_finding("kubernetes-service-link-possible", "port", "the port is left to the default"))
    return findings


def check_prefix(resolved: Resolved) -> list[Finding]:
    prefix, label = resolved.value("static_prefix"), resolved.label("static_prefix")
    if prefix is None:
        return []
    if not prefix.startswith("/") or prefix.endswith("/") or re.search(r"[{}?#\s]|//", prefix):
        return [
            make_finding(
                "static-prefix-invalid",
                label,
                f"{show(prefix)} is no prefix",
                f"write /{prefix.strip('/') or 'mlflow'}",
            )
        ]
    return [make_finding("static-prefix-moves-health", label, f"the health check moves to {prefix}/health")]


def check_server_options(resolved: Resolved, catalogue: Catalogue) -> list[Finding]:
    findings = []
    given = [name for name in ("gunicorn_opts", "waitress_opts", "uvicorn_opts") if resolved.given(name)]
    if len(given) > 1:
        findings.append(
            make_finding(
                "server-backends-conflict", resolved.label(given[0]), f"{' and '.join(given)} are given together"
            )
        )
    if any(name != "uvicorn_opts" for name in given):
        for name in ("allowed_hosts", "cors_allowed_origins", "disable_security_middleware"):
            entry = resolved.values.get(name)
            # Only what stands on the command line counts: a flag that is not set is not written there.
            if entry and entry.source == "argument" and entry.value is not False:
                findings.append(
                    make_finding("security-options-without-uvicorn", name, f"it is given together with {given[0]}")
                )
    if resolved.value("dev"):
        clashes = [name for name in ("gunicorn_opts", "uvicorn_opts", "app_name") if resolved.given(name)]
        if clashes:
            findings.append(make_finding("dev-conflict", "dev", f"it is given together with {' and '.join(clashes)}"))
        else:
            findings.append(make_finding("dev-mode", "dev", "the server runs in development mode"))
    known = {"uvicorn_opts": catalogue.uvicorn_options, "gunicorn_opts": catalogue.gunicorn_options}
    for name in given:
        text = resolved.value(name)
        if text is not None:
            findings += check_words(name, resolved.label(name), text, known.get(name))
    workers, label = resolved.value("workers"), resolved.label("workers")
    if workers is not None and not re.fullmatch(r"0*[1-9]\d*", str(workers)):
        findings.append(make_finding("workers-invalid", label, f"{show(workers)} is no positive number"))
    return findings


def check_words(name: str, label: str, text: str, known: frozenset | None) -> list[Finding]:
    """The words for the web server, as the shell would split them."""
    try:
        words = shlex.split(text)
    except ValueError:
        return [make_finding("server-options-unreadable", label, "the words cannot be split")]
    findings = []
    takes_value = False
    for word in words:
        if not word.startswith("-") or word in ("-", "--"):  # "-" alone is the standard output
            if not takes_value:
                findings.append(make_finding("server-option-unknown", label, f"{show(word)} belongs to no option"))
            takes_value = False
            continue
        takes_value = "=" not in word
        flag = word.split("=", 1)[0]
        if not flag.startswith("--"):
            flag = flag[:2]
        if flag in SECRET_WORDS:
            findings.append(make_finding("server-option-secret", label, f"{flag} carries a password"))
        elif flag in OWN_WORDS[name]:
            findings.append(make_finding("server-option-duplicated", label, f"{flag} is set by `mlflow server` itself"))
        elif known is not None and flag not in known:
            nearest = closest(flag, known, 0.7)
            server = name.partition("_")[0]
            findings.append(
                make_finding(
                    "server-option-unknown",
                    label,
                    f"{server} has no option {show(flag)}",
                    f"did you mean {nearest}?" if nearest else None,
                )
            )
    return findings


def split_list(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",")]


def check_security(resolved: Resolved) -> list[Finding]:
    """Allowed hosts, origins, frames: forms that never match, and switches that let everything pass."""
    if "allowed_hosts" not in resolved.release.options:
        return []
    if resolved.value("disable_security_middleware"):
        label = resolved.label("disable_security_middleware")
        return [make_finding("security-middleware-disabled", label, "Host and Origin headers are not checked")]
    findings = []
    hosts, label = resolved.value("allowed_hosts"), resolved.label("allowed_hosts")
    for entry in split_list(hosts) if hosts else []:
        if entry == "*":
            findings.append(make_finding("allowed-hosts-any", label, "every host is allowed"))
        elif not is_host_pattern(entry):
            findings.append(
                make_finding(
                    "allowed-hosts-invalid", label, f"{show(entry)} is no host or host:port", host_remedy(entry)
                )
            )
    origins, origins_label = resolved.value("cors_allowed_origins"), resolved.label("cors_allowed_origins")
    for entry in split_list(origins) if origins else []:
        if entry == "*":
            findings.append(make_finding("cors-any-origin", origins_label, "every origin is allowed"))
        elif not re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9*._-]+)(:(\d{1,5}|\*))?", entry):
            findings.append(make_finding("cors-origin-invalid", origins_label, f"{show(entry)} is no origin"))
    if hosts and not resolved.given("cors_allowed_origins") and not local_only(split_list(hosts)):
        findings.append(make_finding("cors-origins-missing", "cors_allowed_origins", "allowed_hosts is set without it"))
    if resolved.request.replicas > 1 and not resolved.given("allowed_hosts") and not resolved.request.public_urls:
        findings.append(
            make_finding(
                "allowed-hosts-default", "allowed_hosts", f"{resolved.request.replicas} replicas and no allowed_hosts"
            )
        )
    frames, label = resolved.value("x_frame_options"), resolved.label("x_frame_options")
    if frames is not None and frames.upper() not in ("SAMEORIGIN", "DENY", "NONE"):
        findings.append(make_finding("x-frame-options-invalid", label, f"{show(frames)} is no X-Frame-Options"))
    return findings


def is_host_pattern(entry: str) -> bool:
    """A Host header or a pattern for one: lower case, no scheme, no path."""
    match = re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9*?._-]+)(:(\d{1,5}|\*))?|(fc|fd)00:\*", entry)
    return bool(match) and not re.fullmatch(r"[:.]*", entry)


def host_remedy(entry: str) -> str | None:
    if not entry:
        return "remove the empty entry"
    if "://" in entry:
        return "leave the scheme and the path out"
    if re.search(r"[\s;]", entry):
        return "separate hosts by commas"
    if entry != entry.lower() and is_host_pattern(entry.lower()):
        return "write it in lower case, as browsers send it"
    return None


def local_only(hosts: list[str]) -> bool:
    return all(re.match(r"(localhost|127\.|\[::1\]|0\.0\.0\.0)", host) for host in hosts)


def host_allowed(header: str, hosts: list[str]) -> bool:
    """MLflow's own comparison of a Host header with the list."""
    if "*" in hosts:
        return True
    return any(fnmatch.fnmatchcase(header, host) if "*" in host else header == host for host in hosts)


def origin_allowed(origin: str, host: str, origins: list[str]) -> bool:
    """MLflow's own comparison of an Origin header with the list; localhost always passes."""
    if host in ("localhost", "127.0.0.1", "::1") or "*" in origins:
        return True
    return any(fnmatch.fnmatchcase(origin, entry) if "*" in entry else origin == entry for entry in origins)


def check_public_urls(resolved: Resolved) -> list[Finding]:
    """Whether users who come by the public addresses get in."""
    findings = []
    security = "allowed_hosts" in resolved.release.options and not resolved.value("disable_security_middleware")
    hosts = resolved.value("allowed_hosts")
    origins = resolved.value("cors_allowed_origins")
    prefix = resolved.value("static_prefix") or ""
    for url in resolved.request.public_urls:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
            parts = urlsplit("")
        if (
            parts.scheme not in ("http", "https")
            or not host
            or not is_host(host)
            or parts.query
            or parts.fragment
            or parts.username
        ):
            findings.append(
                make_finding("public-url-invalid", "public_urls", f"{show(url)} is no http(s) URL of a host")
            )
            continue
        if parts.path.rstrip("/") != prefix and "static_prefix" not in resolved.broken:
            findings.append(
                make_finding(
                    "public-url-prefix",
                    "public_urls",
                    f"{show(url)} has the path {show(parts.path or '/')}, static_prefix is {show(prefix)}",
                )
            )
        if not security:
            continue
        literal = f"[{host}]" if ":" in host else host
        standard = port is None or port == {"http": 80, "https": 443}[parts.scheme]
        header = literal if standard else f"{literal}:{port}"
        if "allowed_hosts" not in resolved.broken and not host_allowed(
            header, split_list(hosts) if hosts else list(DEFAULT_HOSTS)
        ):
            findings.append(
                make_finding(
                    "public-host-not-allowed",
                    resolved.label("allowed_hosts"),
                    f"requests for {show(url)} carry the Host header {show(header)}, which is not allowed",
                    f"add {header} to allowed_hosts",
                )
            )
        origin = f"{parts.scheme}://{header}"
        if "cors_allowed_origins" not in resolved.broken and not origin_allowed(
            origin, host, split_list(origins) if origins else []
        ):
            findings.append(
                make_finding(
                    "public-origin-not-allowed",
                    resolved.label("cors_allowed_origins"),
                    f"requests from {show(url)} carry the Origin header {show(origin)}, which is not allowed",
                    f"add {origin} to cors_allowed_origins",
                )
            )
    return findings


def check_prometheus(resolved: Resolved) -> list[Finding]:
    path, label = resolved.value("expose_prometheus"), resolved.label("expose_prometheus")
    if path is None:
        return []
    if not path.startswith("/"):
        return [make_finding("prometheus-path-relative", label, f"{show(path)} is relative to the working directory")]
    if resolved.request.replicas > 1 and in_paths(path, resolved.request.shared_paths):
        return [
            make_finding("prometheus-path-shared", label, f"{resolved.request.replicas} replicas share {show(path)}")
        ]
    return []
