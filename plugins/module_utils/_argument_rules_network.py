# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Rules on what reaches the web server: address, prefix, hosts and origins."""

from __future__ import annotations

import fnmatch
import re
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils._argument_findings import Finding, make_finding
from ansible_collections.mlops.mlflow.plugins.module_utils._argument_rules_shared import (
    host_allowed,
    in_paths,
    is_host,
    is_loopback,
    split_list,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import Resolved, show

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


def check_network(resolved: Resolved) -> list[Finding]:
    """All rules of this file."""
    findings: list[Finding] = []
    findings += check_listener(resolved)
    findings += check_prefix(resolved)
    findings += check_server_options(resolved)
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
            findings.append(make_finding("host-invalid", label, f"{show(host)} is not an address to listen on", remedy))
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
                f"{show(prefix)} is not a prefix",
                f"write /{prefix.strip('/') or 'mlflow'}",
            )
        ]
    return [make_finding("static-prefix-moves-health", label, f"the health check moves to {prefix}/health")]


def check_server_options(resolved: Resolved) -> list[Finding]:
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
    workers, label = resolved.value("workers"), resolved.label("workers")
    if workers is not None and not re.fullmatch(r"0*[1-9]\d*", str(workers)):
        findings.append(make_finding("workers-invalid", label, f"{show(workers)} is not a positive integer"))
    return findings


def check_security(resolved: Resolved) -> list[Finding]:
    """Allowed hosts, origins, frames: forms that never match, and switches that let everything pass."""
    if "allowed_hosts" not in resolved.release.options:
        return []
    if resolved.value("disable_security_middleware"):
        label = resolved.label("disable_security_middleware")
        findings = [make_finding("security-middleware-disabled", label, "Host and Origin headers are not checked")]
        for name in ("allowed_hosts", "cors_allowed_origins"):
            if resolved.given(name):
                found = "the security middleware is off, so nothing is compared with it"
                findings.append(make_finding("security-option-ignored", resolved.label(name), found))
        return findings
    findings = []
    hosts, label = resolved.value("allowed_hosts"), resolved.label("allowed_hosts")
    findings += check_hosts(resolved, label, split_list(hosts)) if hosts else []
    origins, origins_label = resolved.value("cors_allowed_origins"), resolved.label("cors_allowed_origins")
    for entry in split_list(origins) if origins else []:
        if re.fullmatch(r"(https?(://)?)?[*.?]+(:(\*|\d+))?", entry) and "*" in entry:
            findings.append(make_finding("cors-any-origin", origins_label, f"{show(entry)} allows every origin"))
            continue
        problem = origin_problem(entry)
        if problem:
            findings.append(make_finding("cors-origin-invalid", origins_label, *problem))
    if hosts and not resolved.given("cors_allowed_origins") and not local_only(split_list(hosts)):
        findings.append(make_finding("cors-origins-missing", "cors_allowed_origins", "allowed_hosts is set without it"))
    if origins and not hosts and "allowed_hosts" not in resolved.broken:
        findings += check_origins_alone(split_list(origins))
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


def check_hosts(resolved: Resolved, label: str, hosts: list[str]) -> list[Finding]:
    """Each allowed host alone, and who is shut out by all of them together."""
    findings = []
    for entry in hosts:
        if re.fullmatch(r"[*.?]+(:(\*|\d+))?", entry) and "*" in entry:
            findings.append(make_finding("allowed-hosts-any", label, f"{show(entry)} allows every host"))
            continue
        problem = host_problem(entry)
        if problem:
            findings.append(make_finding("allowed-hosts-invalid", label, *problem))
            continue
        name, dummy, port = entry.rpartition(":")
        if name and port in ("80", "443") and not host_allowed(name, hosts):
            found = f"{show(entry)} names the default port, which browsers leave out"
            findings.append(make_finding("allowed-host-default-port", label, found, f"add {name}"))
    if "*" in hosts:
        return findings
    internal = [
        entry
        for entry in hosts
        if is_internal(entry, resolved.request.platform)
        and not host_allowed(f"{entry}:{resolved.value('port')}", hosts)
    ]
    if internal and resolved.value("port") not in (80, 443):
        found = f"{show(internal[0])} is a name inside, and clients there send it with the port of the service"
        findings.append(make_finding("allowed-host-without-port", label, found, f"add {internal[0]}:*"))
    if resolved.value("expose_prometheus") and not any(host_allowed(address, hosts) for address in SCRAPED):
        found = "allowed_hosts replaces the private addresses, by which scrapers ask for /metrics"
        scraper = make_finding("scraper-not-allowed", resolved.label("expose_prometheus"), found)
        # On Compose, scrapers go by the name of the service, or by the public address.
        names = resolved.request.public_urls or [host for host in bare(hosts) if is_internal(host, "compose")]
        by_name = resolved.request.platform != "kubernetes" and bool(names)
        findings += [] if by_name else [scraper]
    return findings


# What a scraper in a private network sends as Host header.
SCRAPED = tuple(f"{address}:5000" for address in ("10.1.2.3", "172.17.0.3", "192.168.1.5", "[fd00::5]"))


def bare(hosts: list[str]) -> list[str]:
    return [re.sub(r":(\d+|\*)$", "", entry) for entry in hosts]


def is_internal(host: str, platform: str) -> bool:
    """A name that only the other containers or pods know: of one label on Compose, of a Service on Kubernetes."""
    if not host or re.search(r"[*?:\[]", host) or host == "localhost" or platform == "host":
        return False
    if platform == "kubernetes":
        return "." not in host or bool(re.search(r"\.svc(\.[a-z0-9.-]+)?$", host))
    return "." not in host


def check_origins_alone(origins: list[str]) -> list[Finding]:
    """Origins without hosts: the page of another name than localhost is refused by its Host header already."""
    names = [re.sub(r"^https?://", "", entry) for entry in origins if entry != "*" and not origin_problem(entry)]
    outside = [name for name in names if "*" not in name and not host_allowed(name, list(DEFAULT_HOSTS))]
    if not outside:
        return []
    found = f"cors_allowed_origins names {show(outside[0])}, which is not among the hosts that pass by default"
    return [make_finding("allowed-hosts-missing", "allowed_hosts", found)]


def can_match(pattern: str) -> bool:
    """Whether a pattern matches what it seems to name: `[::1]` is one character to fnmatch, not an address."""
    plain = pattern.replace("[[]", "[")
    return fnmatch.fnmatchcase(plain.replace("*", "5000").replace("?", "5"), pattern)


def host_problem(entry: str) -> tuple[str, str | None] | None:
    """Why no Host header equals the entry (or matches it, if it has a star), and the remedy."""
    plain = entry.replace("[[]", "[") if "*" in entry else entry
    address = r"\[[0-9a-f:.]+\]|\[[0-9a-f:.]*\*"
    match = re.fullmatch(rf"({address}|[a-z0-9*?._-]+)(:(\d{{1,5}}|\*))?|(fc|fd)[0-9a-f]{{2}}:\*", plain)
    if not match or re.match(r"[:.]", entry) or ".." in entry:
        return f"{show(entry)} is not a host or host:port", host_remedy(entry)
    if "?" in entry and "*" not in entry:
        return f"{show(entry)} is compared as text, since only a * makes it a pattern", "write the whole name, or use *"
    if "*" in entry and not can_match(entry):
        return f"{show(entry)} matches no header: brackets in a pattern are a set of characters", (
            f"write {entry.replace('[', '[[]')}"
        )
    if match[3] and match[3] != "*" and not 1 <= int(match[3]) <= 65535:
        return f"{show(entry)} has no port between 1 and 65535", None
    if re.fullmatch(r"[\d.]+", match[1] or "") and not is_host(match[1]):
        return f"{show(match[1])} is not an address", None
    return None


def origin_problem(entry: str) -> tuple[str, str | None] | None:
    """Why no Origin header equals the entry, and the remedy."""
    if re.fullmatch(
        r"[a-z-]+-extension://[a-z0-9*-]+|(vscode-webview|capacitor|ionic|tauri|app)://[a-z0-9.*-]+", entry
    ):
        return None  # pages of extensions and programs have origins of their own
    plain = entry.replace("[[]", "[") if "*" in entry else entry
    match = re.fullmatch(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9*?._-]+)(:(\d{1,5}|\*))?", plain)
    if not match:
        lowered = entry.lower().rstrip("/")
        fine = lowered != entry and origin_problem(lowered) is None
        return f"{show(entry)} is not an origin", f"write {lowered}" if fine else None
    if "?" in entry and "*" not in entry:
        return f"{show(entry)} is compared as text, since only a * makes it a pattern", "write the whole name, or use *"
    if "*" in entry and not can_match(entry):
        return f"{show(entry)} matches no header: brackets in a pattern are a set of characters", (
            f"write {entry.replace('[', '[[]')}"
        )
    if match[4] == {"http": "80", "https": "443"}[match[1]]:
        return f"{show(entry)} names the default port, which browsers leave out", f"write {match[1]}://{match[2]}"
    if match[4] and match[4] != "*" and not 1 <= int(match[4]) <= 65535:
        return f"{show(entry)} has no port between 1 and 65535", None
    return None


def host_remedy(entry: str) -> str | None:
    if not entry:
        return "remove the empty entry"
    if "://" in entry:
        return "leave the scheme and the path out"
    if re.search(r"[\s;]", entry):
        return "separate hosts by commas"
    if "/" in entry:
        return "leave the path out; a network is written as a pattern, such as 10.*"
    if entry != entry.lower() and host_problem(entry.lower()) is None:
        return "write it in lower case, as browsers send it"
    if re.fullmatch(r"\.[a-z0-9.-]+", entry):
        return f"write *{entry}"
    if re.fullmatch(r"[0-9a-f:]+", entry) and is_host(entry):
        return f"put the address in brackets: [{entry}]"
    return None


def local_only(hosts: list[str]) -> bool:
    return all(re.match(r"(localhost|127\.|\[::1\]|0\.0\.0\.0)", host) for host in hosts)


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
                make_finding("public-url-invalid", "public_urls", f"{show(url)} is not an http(s) URL of a host")
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
