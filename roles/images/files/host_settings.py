# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build has to know about the managed host, as one JSON object: system, mirrors, index, proxies, CA bundle.

Runs on the managed host with nothing but Python 3 (3.6 or newer). It reads and changes nothing.
"""

import configparser
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

SUITE = "bookworm"
SUFFIXES = ("", "-updates", "-security")
CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def os_release(text):
    """Return the fields of /etc/os-release."""
    return {name: value.strip("\"'") for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)}


def debian_lines(targets, codename, is_debian=None):
    """Return apt lines for Debian bookworm from what `apt-get indextargets` lists as "URI SUITE COMPONENT".

    A machine with another release of Debian has the same mirrors under other suites. Where several places offer one
    suite, is_debian(uri, suite) tells Debian's own from a vendor's.
    """
    offers = {}
    for line in targets.splitlines():
        fields = line.split()
        if len(fields) != 3 or fields[2] != "main" or not fields[0].startswith(("http://", "https://")):
            continue
        for suffix in SUFFIXES:
            if fields[1] in {name + suffix for name in (codename, SUITE, "stable", "oldstable") if name}:
                offers.setdefault(suffix, [])
                if (fields[0], fields[1]) not in offers[suffix]:
                    offers[suffix].append((fields[0], fields[1]))
    lines = []
    for suffix in SUFFIXES:
        places = offers.get(suffix, [])
        if len(places) > 1 and is_debian:
            places = [place for place in places if is_debian(*place)]
        for uri, _suite in places:
            line = "deb {} {}{} main".format(uri.rstrip("/"), SUITE, suffix)
            if line not in lines:
                lines.append(line)
    # Without the main suite the others are of no use.
    return lines if any(line.endswith(" " + SUITE + " main") for line in lines) else []


def apt_targets():
    try:
        command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=30
        ).stdout.decode()
    except (OSError, subprocess.SubprocessError):
        return ""


def is_debian(uri, suite):
    """Ask the place itself who publishes it; apt's own helper knows proxies and credentials."""
    with tempfile.TemporaryDirectory() as folder:
        release = os.path.join(folder, "InRelease")
        try:
            url = "{}/dists/{}/InRelease".format(uri.rstrip("/"), suite)
            subprocess.run(
                ["/usr/lib/apt/apt-helper", "download-file", url, release],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
                timeout=20,
            )
            with open(release, errors="replace") as file:
                return re.search(r"^Origin: Debian$", file.read(4096), re.MULTILINE) is not None
        except (OSError, subprocess.SubprocessError):
            return False


def pip_settings(files, environment):
    """Return pip's index settings that mean something inside a container: addresses, not paths of this machine."""
    values = {}
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except (OSError, configparser.Error):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                values.update(parser.items(section))
    for name in ("index-url", "extra-index-url", "trusted-host"):
        variable = "PIP_" + name.upper().replace("-", "_")
        if environment.get(variable):
            values[name] = environment[variable]

    def addresses(name):
        return " ".join(word for word in values.get(name, "").split() if word.startswith(("http://", "https://")))

    return {
        "index_url": addresses("index-url"),
        "extra_index_url": addresses("extra-index-url"),
        "trusted_host": " ".join(values.get("trusted-host", "").split()),
    }


def pip_files(environment):
    """Return pip's configuration files in the order in which they override each other."""
    home = os.path.expanduser("~")
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    files = [
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
        os.path.join(home, ".pip/pip.conf"),
        os.path.join(home, ".config/pip/pip.conf"),
    ]
    return files + ([named] if named else [])


def go_proxy(environment):
    """Return where Go is told to fetch modules from; empty where nobody has said anything else than Go itself."""
    if environment.get("GOPROXY"):
        return environment["GOPROXY"]
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    try:
        with open(environment.get("GOENV") or os.path.join(folder, "go", "env")) as file:
            settings = dict(line.strip().split("=", 1) for line in file if "=" in line and not line.startswith("#"))
    except OSError:
        return ""
    return settings.get("GOPROXY", "")


def main():
    environment = os.environ
    release = {}
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        if os.path.exists(path):
            with open(path) as file:
                release = os_release(file.read())
            break
    answer = {
        "system": release.get("PRETTY_NAME", platform.platform()),
        "id": release.get("ID", ""),
        "architecture": platform.machine(),
        "uid": os.getuid(),
        "cache_dir": os.path.expanduser(sys.argv[1]) if len(sys.argv) > 1 else "",
        "mmdebstrap": shutil.which("mmdebstrap") is not None,
        "apt": shutil.which("apt-get") is not None,
        "debian_lines": [],
        "ca_bundle": next((path for path in CA_BUNDLES if os.path.exists(path)), ""),
        "go_proxy": go_proxy(environment),
        "pip": pip_settings(pip_files(environment), environment),
        "proxy": {
            name: environment.get(name) or environment.get(name.upper()) or ""
            for name in ("http_proxy", "https_proxy", "no_proxy")
        },
    }
    if answer["id"] == "debian":
        answer["debian_lines"] = debian_lines(apt_targets(), release.get("VERSION_CODENAME", ""), is_debian)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
