# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: this file is part of the collection and can change at any time.

"""Where each image comes from: a registry, an archive, or a build on the managed host."""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

STORES = ("minio", "seaweedfs")
KEY_LENGTH = 12
# A registry that asks who is there has its answer for pulling it, and one that asks for a login is there as well.
HAS, LACKS = (200, 401, 403), 404
# The host that answers for docker.io, and those that are asked without TLS.
HUB, HUB_API = "docker.io", "registry-1.docker.io"
OWN_HOST = re.compile(r"(localhost|127\.|\[::1\])")
# The engine leaves this out of the names that it lists.
UNNAMED = re.compile(r"^docker\.io/(library/)?")


class Product(NamedTuple):
    """What is in the image of a component, and what a build of it takes."""

    title: str
    origin: str
    duration: str
    version: str
    # Bases that it can be built on: made here, or from a registry.
    bases: tuple[str, ...] = ("build",)


class Known(NamedTuple):
    """What is known of the world when the plan is made."""

    # What build_context.py says of the recipes: a hash for each, and the versions in their locks.
    contexts: dict[str, Any]
    # What the last run wrote down, by component.
    record: dict[str, Any]
    # The engine's images, as it lists them.
    images: list[dict[str, Any]]
    # Names of images that were not here and are looked for in the archive.
    from_archive: list[str]
    # Pairs of a reference and the status that its registry answered with.
    answers: list[tuple[str, Any]]
    # Names of images that their registry answered for, and then did not give.
    not_given: list[str]
    # Name of an image -> the id under which it came.
    obtained: dict[str, str]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def products(contexts: dict[str, Any], mlflow_version: str) -> dict[str, Product]:
    """What the role can supply, by name. The versions are those of the locks."""
    both = ("build", "registry")
    index = "the Python package index"
    return {
        "postgres": Product("PostgreSQL", "Debian packages", "about a minute", "15"),
        "minio": Product("MinIO", "its last source, a Go module", "about three minutes", contexts["minio"]),
        "seaweedfs": Product("SeaweedFS", index, "about a minute", contexts["seaweedfs"]),
        "load_balancer": Product("HAProxy", "Debian packages", "about half a minute", "2.6"),
        "nfs": Product("NFS-Ganesha", "Debian packages", "about half a minute", "4.3", both),
        "mlflow_server": Product("MLflow", index, "about three minutes", mlflow_version, both),
    }


def built_names(name: str, product: Product, keys: dict[str, str], debian: str) -> dict[str, str]:
    """Base -> the name of what is built on it.

    An image has the key of its own files and of the base below it. Which mirror the packages come from is no part of
    it: they are the same packages.
    """
    below = {"build": keys["base"], "registry": debian}
    return {
        base: f"mlops-mlflow/{name}:{product.version}-{digest(keys[name] + below[base])[:KEY_LENGTH]}"
        for base in product.bases
    }


def names_of(components: list[str], kind: str) -> list[str]:
    """The images that the components ask for; an object store that is somebody else's needs none."""
    names = [kind if component == "object_store" else component for component in components]
    return [name for name in names if name != "external"]


def component_of(name: str) -> str:
    return "object_store" if name in STORES else name


def place(reference: str, mirrors: dict[str, str]) -> str:
    """The reference as it is asked for: with the registry that stands in for its own."""
    host, slash, rest = reference.partition("/")
    return f"{mirrors.get(host, host)}{slash}{rest}"


def local_name(reference: str) -> str:
    """The name under which the engine lists an image."""
    return UNNAMED.sub("", reference)


def ids(images: list[dict[str, Any]]) -> dict[str, str]:
    """Name -> id, for all names of all images."""
    return {
        name: image["Id"]
        for image in images
        for name in (image.get("RepoTags") or []) + (image.get("RepoDigests") or [])
    }


def recorded_of(name: str, components: dict[str, Any]) -> dict[str, Any]:
    """What the record says of an image; what it says of another kind of object store does not count."""
    entry = components.get(component_of(name)) or {}
    return entry if entry.get("kind", name) == name else {}


def manifest_url(reference: str) -> str:
    """Where a registry answers whether it has an image."""
    host, _slash, rest = reference.partition("/")
    path, _mark, version = re.fullmatch(r"([^:@]+)(:[^@]*@|[:@])(.*)", rest).groups()
    scheme = "http" if OWN_HOST.match(host) else "https"
    return f"{scheme}://{HUB_API if host == HUB else host}/v2/{path}/manifests/{version}"


def answer_of(reference: str, status: Any, timeout: int) -> dict[str, Any]:
    """What a registry's status means: whether it has the image, and why it is believed to."""
    host = reference.split("/")[0]
    if status in HAS:
        return {"has": True, "why": f"{host} answers"}
    if status == LACKS:
        return {"has": False, "why": f"{host} does not have {reference}"}
    return {"has": False, "why": f"{host} did not answer within {timeout} s"}


class Image:
    """One image that is asked for, and the decision where it comes from."""

    def __init__(self, name: str, settings: dict[str, Any], known: Known) -> None:
        references, mirrors = settings["references"], settings["registry_mirrors"]
        self.name, self.settings, self.known = name, settings, known
        self.product = products(known.contexts, settings["mlflow_version"])[name]
        self.builds = built_names(name, self.product, known.contexts["keys"], references["debian"])
        self.remote = place(references[name], mirrors) if references[name] else ""
        # Where it is built on a base from a registry, the base is what the registry has to have.
        self.ask = self.remote or place(references["debian"], mirrors)
        self.recorded = recorded_of(name, known.record.get("components", {}))
        self.here = ids(known.images)
        self.supply = settings["supply"]

    @property
    def names(self) -> list[str]:
        """All names under which it may be here."""
        return [*self.expected, *filter(None, [self.recorded.get("reference")])]

    @property
    def expected(self) -> list[str]:
        """The names that this version of the collection uses."""
        return [*filter(None, [self.remote]), *self.builds.values()]

    def built_here(self) -> str:
        """The first base on which it was built here."""
        return next((base for base, name in self.builds.items() if name in self.here), "")

    def from_archive(self) -> dict[str, Any]:
        built = self.built_here()
        if self.remote and local_name(self.remote) in self.here:
            held = self.remote
        else:
            held = self.builds[built] if built else self.recorded.get("reference", "")
        if self.name in self.known.from_archive:
            reason = f"images_archive names {self.settings['archive']}"
            return {"supply": "archive", "reference": held, "reason": reason}
        said = {"supply": "archive", "reference": held, "reason": self.recorded["reason"]}
        if local_name(held) not in self.here:
            said["error"] = (
                f"images_archive is not set, but the image {held} of {self.product.title} came from an archive and is "
                "gone: name the archive again with images_archive, or choose images_supply=registry or "
                "images_supply=build."
            )
        return said

    def as_told(self, way: str) -> dict[str, Any]:
        """The way that the user or the record names."""
        again = self.supply == "auto"
        reason = self.recorded.get("reason", "") if again else f"images_supply is {way}"
        if way == "build":
            base = self.recorded.get("base", "build") if again else "build"
            return {"supply": "build", "base": base, "reason": reason}
        if self.remote:
            return {"supply": "registry", "reference": self.remote, "reason": reason}
        base_too = "" if again else ", and its base comes from there"
        return {"supply": "build", "base": "registry", "reason": reason + base_too}

    def at_first(self) -> dict[str, Any]:
        """Where nobody has decided: what is here, else what a registry has, else a build."""
        if self.remote and local_name(self.remote) in self.here:
            return {"supply": "registry", "reference": self.remote, "reason": "its image was here already"}
        if self.built_here():
            return {"supply": "build", "base": self.built_here(), "reason": "its image was here already"}
        answers = dict(self.known.answers)
        if self.ask not in answers:
            return {"supply": "probe", "ask": self.ask}
        answer = answer_of(self.ask, answers[self.ask], self.settings["registry_timeout"])
        if answer["has"] and self.remote:
            return {"supply": "registry", "reference": self.remote, "reason": answer["why"]}
        if answer["has"]:
            return {"supply": "build", "base": "registry", "reason": answer["why"] + ", so its base comes from there"}
        return {"supply": "build", "base": "build", "reason": answer["why"]}

    def decided(self) -> dict[str, Any]:
        if self.name in self.known.not_given:
            why = f"{self.remote.split('/', maxsplit=1)[0]} answered, but did not give {self.remote}"
            return {"supply": "build", "base": "build", "reason": why}
        if self.name in self.known.from_archive:
            return self.from_archive()
        way = self.recorded.get("supply", "auto") if self.supply == "auto" else self.supply
        if way == "archive":
            return self.from_archive()
        return self.at_first() if way == "auto" else self.as_told(way)

    def plan(self) -> dict[str, Any]:
        said = {"base": "", "reference": "", "reason": "", "error": "", **self.decided()}
        if said["supply"] == "build":
            said["reference"] = self.builds.get(said["base"], self.builds["build"])
        found = self.here.get(local_name(said["reference"]), "")
        again = self.settings["rebuild"] and said["supply"] == "build"
        return {
            **said,
            **{field: getattr(self.product, field) for field in ("title", "origin", "duration", "version")},
            "name": self.name,
            "asked": self.supply,
            "id": self.known.obtained.get(self.name, found),
            "present": bool(found) and not again,
            "expected": self.expected,
            # Where the registry was chosen, by the user or before, a build is not the next best way.
            "chosen": "registry" in (self.supply, self.recorded.get("supply")),
        }


def resolved_of(images: dict[str, dict[str, Any]], external: bool) -> dict[str, dict[str, Any]]:
    """What other roles are told, and what is recorded, by component."""
    resolved = {}
    for name, image in images.items():
        said = {key: image[key] for key in ("reference", "supply", "reason", "id")}
        if name in STORES:
            said["kind"] = name
        if image["base"]:
            said["base"] = image["base"]
        resolved[component_of(name)] = said
    if external:
        reason = "images_object_store is external"
        nothing = {"reference": "", "id": ""}
        resolved["object_store"] = {**nothing, "kind": "external", "supply": "external", "reason": reason}
    return resolved


def line_of(image: dict[str, Any]) -> str:
    """What the user is told of an image."""
    ways = {
        "registry": f"from {image['reference'].split('/')[0]}",
        "archive": "from an archive",
        "build": f"built here from {image['origin']}",
    }
    way = ways.get(image["supply"], image["supply"])
    component = component_of(image["name"])
    return f"{component}: {image['title']} {way} ({image['reference']}), because {image['reason']}"


def proxies(settings: dict[str, Any]) -> dict[str, str]:
    """Only what the user sets; the host's own proxies are in its environment already."""
    return {name: settings[name] for name in ("http_proxy", "https_proxy", "no_proxy") if settings[name]}


def plan_images(settings: dict[str, Any], known: Known) -> dict[str, Any]:
    """The plan of all images.

    Where a registry has to be asked first, the image's supply is `probe` and `questions` says what for. With the
    answers the same plan is made again, and is final.
    """
    wanted = [Image(name, settings, known) for name in names_of(settings["components"], settings["object_store"])]
    images = {image.name: image.plan() for image in wanted}
    asked = list(dict.fromkeys(image["ask"] for image in images.values() if image["supply"] == "probe"))
    missing = [image for image in images.values() if not image["present"]]
    external = "object_store" in settings["components"] and settings["object_store"] == "external"
    lines = [line_of(image) for image in images.values()]
    if external:
        lines.append("object_store: an external one, so no image is needed")
    return {
        "images": images,
        "candidates": list(dict.fromkeys(name for image in wanted for name in image.names)),
        "questions": [{"reference": reference, "url": manifest_url(reference)} for reference in asked],
        "missing": [image["name"] for image in missing],
        "to_build": [image["name"] for image in missing if image["supply"] == "build"],
        "errors": [image["error"] for image in images.values() if image["error"]],
        "lacking": [f"{image['title']} ({' or '.join(image['expected'])})" for image in missing],
        "resolved": resolved_of(images, external),
        "lines": lines,
        "debian": place(settings["references"]["debian"], settings["registry_mirrors"]),
        "proxies": proxies(settings),
    }


def filled(values: dict[str, str]) -> dict[str, str]:
    """Empty values mean the programs' own defaults."""
    return {name: value for name, value in values.items() if value}


def apt_lines(mirrors: list[str], host: dict[str, Any]) -> list[str]:
    """The user's mirrors as lines of apt's sources, or the host's own."""
    lines = [entry if re.match(r"deb\s", entry) else f"deb {entry} bookworm main" for entry in mirrors]
    return lines or host["debian_lines"]


def build_settings(settings: dict[str, Any], base_key: str, host: dict[str, Any]) -> dict[str, Any]:
    """What builds on a host are told. `host` is what host_settings.py found there.

    The mirrors are part of the name of the base that is made here, since builds on it install from them.
    """
    lines = apt_lines(settings["debian_mirror"], host)
    key = digest(base_key + "\n".join(lines) + host["architecture"])
    short = key[:KEY_LENGTH]
    environment = filled({**host["proxy"], **proxies(settings)})
    pip, index = host["pip"], settings["pip_index_url"]
    arguments = {
        **environment,
        "PIP_INDEX_URL": index or pip["index_url"],
        "PIP_EXTRA_INDEX_URL": "" if index else pip["extra_index_url"],
        "PIP_TRUSTED_HOST": pip["trusted_host"],
        "GOPROXY": settings["go_proxy"] or host["go_proxy"],
    }
    return {
        "apt_lines": lines,
        "base": f"mlops-mlflow/debian:bookworm-{short}",
        "base_key": key,
        "base_archive": f"{host['cache_dir']}/debian-bookworm-{host['architecture']}-{short}.tar",
        "environment": environment,
        "arguments": filled(arguments),
        "ca_bundle": host["ca_bundle"] if settings["ca_bundle"] == "auto" else settings["ca_bundle"],
    }


def planned(
    settings: dict[str, Any],
    contexts: dict[str, Any],
    record: dict[str, Any] | None = None,
    images: list | None = None,
    from_archive: list | None = None,
    answers: list | None = None,
    not_given: list | None = None,
    obtained: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The plan with what is known so far."""
    lists = (list(each or []) for each in (images, from_archive, answers, not_given))
    return plan_images(settings, Known(contexts, record or {}, *lists, obtained or {}))
