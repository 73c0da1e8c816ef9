# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for minikube, docker, podman and id, by the name under which this file is called.

Not the real programs: they run no cluster. They answer as minikube 1.39 does on the command lines that the role uses,
with its formats and exit codes, keep what they were told in files below $MINIKUBE_HOME, and write down every call.
What the role does not use is refused, so that a wrong option or order of words fails as it would there.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

HOME = Path(os.environ.get("MINIKUBE_HOME", "nowhere"))
PROGRAM = Path(sys.argv[0]).name
DEFAULTS = {
    "version": "v1.39.0",
    "uid": 1000,
    "docker": {"NCPU": 4, "MemTotal": 16 << 30},  # or the text with which it fails
    "podman": {"host": {"cpus": 4, "memTotal": 16 << 30}},
    "docker_images": [],
    "containers": [],  # lines of `docker ps` on the public port
    "start_fails": None,  # exit code and text
    "load_does_nothing": False,
    "privileged": 'exec: "/no-such-program": stat /no-such-program: no such file or directory: unknown.',
    "api": "",  # where the API server is that new contexts lead to
}
START = {
    "--profile", "--interactive", "--wait-timeout", "--driver", "--cpus", "--memory", "--disk-size", "--ports",
    "--kubernetes-version", "--image-mirror-country", "--nodes", "--wait",
}  # fmt: skip
START_SWITCHES = {"--keep-context", "--force"}
RUNNING = {"Host": "Running", "Kubelet": "Running", "APIServer": "Running", "Kubeconfig": "Configured"}
STOPPED = {"Host": "Stopped", "Kubelet": "Stopped", "APIServer": "Stopped", "Kubeconfig": "Stopped"}
PAUSED = {"Host": "Running", "Kubelet": "Stopped", "APIServer": "Paused", "Kubeconfig": "Configured"}
UNHEALTHY = {"Host": "Running", "Kubelet": "Stopped", "APIServer": "Stopped", "Kubeconfig": "Misconfigured"}


def scenario() -> dict:
    path = HOME / "scenario.json"
    return {**DEFAULTS, **(json.loads(path.read_text()) if path.exists() else {})}


def leave(code: int, text: str = "", out: str = "") -> None:
    if out:
        print(out)
    if text:
        print(text, file=sys.stderr)
    sys.exit(code)


def usage(text: str) -> None:
    leave(14, f"X Exiting due to MK_USAGE: {text}")


def parse(words: list[str], options: set[str], switches: frozenset | set = frozenset()) -> tuple[dict, list[str]]:
    found, rest = {}, []
    for word in words:
        name, equals, value = word.partition("=")
        if not word.startswith("--"):
            rest.append(word)
        elif name in options and equals:
            found[name] = value
        elif name in switches:
            found[name] = value or "true"
        else:
            usage(f"unknown flag: {word}")
    return found, rest


def profile_path(name: str) -> Path:
    return HOME / "profiles" / name / "config.json"


def state_path(name: str) -> Path:
    return HOME / "machines" / f"{name}.json"


def load(name: str) -> dict:
    if not profile_path(name).exists():
        leave(85, out=f'* Profile "{name}" not found. Run "minikube profile list" to view all profiles.')
    return json.loads(state_path(name).read_text())


def save(name: str, state: dict) -> None:
    state_path(name).parent.mkdir(parents=True, exist_ok=True)
    state_path(name).write_text(json.dumps(state))


def version(words: list[str]) -> None:
    parse(words, {"--output"})
    leave(0, out=json.dumps({"commit": "0000000", "minikubeVersion": scenario()["version"]}))


def profile(words: list[str]) -> None:
    options, rest = parse(words, {"--output"}, {"--light"})
    if rest != ["list"] or options != {"--light": "true", "--output": "json"}:
        usage("profile list --light --output=json")
    answer: dict[str, list] = {"invalid": [], "valid": []}
    for path in sorted(HOME.glob("profiles/*/config.json")):
        config = json.loads(path.read_text() or "null")
        kind = "valid" if config else "invalid"
        answer[kind].append({"Name": path.parent.name, "Status": "Skipped", "Config": config, "Active": False})
    leave(0, out=json.dumps(answer))


def status(words: list[str]) -> None:
    options = parse(words, {"--profile", "--output"})[0]
    name = options["--profile"]
    state = load(name)
    if state["status"] is None:  # the machine behind the profile is gone
        leave(0, out="null")
    code = 0 if state["status"] == RUNNING else 7 if state["status"]["Host"] != "Running" else 2
    found = [{"Name": name, **state["status"], "Worker": False}]
    for each in json.loads(profile_path(name).read_text())["Nodes"][1:]:
        worker = {"APIServer": "Irrelevant", "Kubeconfig": "Irrelevant"}
        found.append({"Name": f"{name}-{each['Name']}", **state["status"], **worker, "Worker": True})
    leave(code, out=json.dumps(found if found[1:] else found[0]))


def megabytes(text: str) -> int:
    if not text.endswith("mb"):
        usage(f"unable to parse {text}")
    return int(text[:-2])


def start(words: list[str]) -> None:
    options, rest = parse(words, START, START_SWITCHES)
    if rest:
        usage(f"unexpected {rest}")
    name = options["--profile"]
    if scenario()["uid"] == 0 and "--force" not in options:
        leave(57, 'X Exiting due to DRV_AS_ROOT: The "docker" driver should not be used with root privileges.')
    if scenario()["start_fails"]:
        leave(*scenario()["start_fails"])
    write_kubeconfig(Path(os.environ["HOME"]), name, scenario()["api"])
    if profile_path(name).exists():
        config, images = json.loads(profile_path(name).read_text()), load(name)["images"]
    else:
        config, images = new_config(name, options), []
        profile_path(name).parent.mkdir(parents=True)
        profile_path(name).write_text(json.dumps(config))
    save(name, {"status": RUNNING, "images": images})
    leave(0, out=f'* Done! kubectl is now configured to use "{name}" cluster and "default" namespace by default')


def new_config(name: str, options: dict) -> dict:
    ports = options.get("--ports")
    if ports and options["--driver"] not in ("docker", "podman"):
        usage("--ports is for the docker and podman drivers")
    return {
        "Name": name,
        "Driver": options["--driver"],
        "CPUs": int(options["--cpus"]),
        "Memory": megabytes(options["--memory"]),
        "DiskSize": megabytes(options["--disk-size"]),
        "ExposedPorts": ports.split(",") if ports else None,
        "KubernetesConfig": {"KubernetesVersion": options.get("--kubernetes-version", "v1.37.0")},
        "Nodes": nodes(int(options.get("--nodes", "1"))),
        "Addons": {"default-storageclass": True, "storage-provisioner": True},
    }


def nodes(number: int) -> list[dict]:
    first = {"Name": "", "ControlPlane": True, "Worker": True}
    return [first] + [{"Name": f"m{each:02}", "ControlPlane": False, "Worker": True} for each in range(2, number + 1)]


def node(words: list[str]) -> None:
    options, rest = parse(words, {"--profile"})
    if rest != ["add"]:
        usage(f"node {rest}")
    config = json.loads(profile_path(options["--profile"]).read_text())
    if config["ExposedPorts"]:
        leave(80, "X Exiting due to GUEST_NODE_ADD: failed to add node: port is already allocated")
    config["Nodes"] = nodes(len(config["Nodes"]) + 1)
    profile_path(options["--profile"]).write_text(json.dumps(config))
    leave(0)


def addons(words: list[str]) -> None:
    options, rest = parse(words, {"--profile"})
    if len(rest) != 2 or rest[0] != "enable":
        usage(f"addons {rest}")
    config = json.loads(profile_path(options["--profile"]).read_text())
    config["Addons"][rest[1]] = True
    profile_path(options["--profile"]).write_text(json.dumps(config))
    leave(0)


def write_kubeconfig(home: Path, name: str, server: str) -> None:
    """The context of a cluster, as minikube signs it."""
    signed = [{"name": "context_info", "extension": {"provider": "minikube.sigs.k8s.io", "version": "v1.39.0"}}]
    context = {"cluster": name, "user": name, "namespace": "default", "extensions": signed}
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": context}],
        "current-context": "",
    }
    (home / ".kube").mkdir(parents=True, exist_ok=True)
    (home / ".kube/config").write_text(json.dumps(text))


def change(words: list[str], target: dict) -> None:
    options = parse(words, {"--profile"})[0]
    state = load(options["--profile"])
    save(options["--profile"], {**state, "status": target})
    leave(0)


def delete(words: list[str]) -> None:
    name = parse(words, {"--profile"})[0]["--profile"]
    shutil.rmtree(profile_path(name).parent, ignore_errors=True)
    state_path(name).unlink(missing_ok=True)
    leave(0, out=f'* Removed all traces of the "{name}" cluster.')


def ip(words: list[str]) -> None:
    load(parse(words, {"--profile"})[0]["--profile"])
    leave(0, out="192.168.39.7")


def image(words: list[str]) -> None:
    options, rest = parse(words, {"--profile", "--format", "--daemon", "--remote"})
    name = options["--profile"]
    state = load(name)
    if rest == ["ls"] and options["--format"] == "json":
        # As runtimes do: every name is put into a registry.
        tags = [t if t.split("/")[0].count(".") else f"docker.io/{t}" for t in state["images"]]
        leave(0, out=json.dumps([{"id": "0" * 12, "repoDigests": [], "repoTags": [t], "size": "1"} for t in tags]))
    if rest[:1] != ["load"] or len(rest) != 2 or options.get("--remote") != "false":
        usage(f"image {rest}")
    if rest[1].startswith("/"):
        import tarfile

        with tarfile.open(rest[1]) as archive:
            loaded = [tag for one in json.load(archive.extractfile("manifest.json")) for tag in one["RepoTags"]]
    elif rest[1] in scenario()["docker_images"] and options.get("--daemon") == "true":
        loaded = [rest[1]]
    else:
        leave(80, f"X Exiting due to GUEST_IMAGE_LOAD: Failed to load image: {rest[1]}: No such image")
    if not scenario()["load_does_nothing"]:
        save(name, {**state, "images": state["images"] + loaded})
    leave(0)


def engine(words: list[str]) -> None:
    answer = scenario()[PROGRAM]
    if words[0] == "info":
        leave(1, answer) if isinstance(answer, str) else leave(0, out=json.dumps(answer))
    if words[0] == "import":
        leave(0, out="sha256:" + "0" * 64)
    if words[0] == "run":
        leave(127, f"{PROGRAM}: Error response from daemon: {scenario()['privileged']}")
    if words[0] == "rmi":
        leave(0, out=f"Untagged: {words[1]}")
    if words[:2] in (["ps", "--all"], ["network", "ls"]):  # for a load balancer and its network, which no stand-in has
        leave(0)
    if words[0] == "ps":
        own = [
            path.stem
            for path in HOME.glob("machines/*.json")
            if (json.loads(path.read_text())["status"] or STOPPED)["Host"] == "Running"
        ]
        leave(0, out="\n".join(scenario()["containers"] + [f"{name},,{name}," for name in own]))
    if words[:2] == ["image", "inspect"] and PROGRAM == "docker":
        known = words[2] in scenario()["docker_images"]
        leave(0, out="[{}]") if known else leave(1, f"Error: No such image: {words[2]}", "[]")
    leave(125, f"{PROGRAM}: unknown command {words}")


def main() -> None:
    words = sys.argv[1:]
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "calls.txt").open("a") as calls:
        calls.write(" ".join([PROGRAM, *words]) + "\n")
    if PROGRAM == "id":
        leave(0, out=str(scenario()["uid"]))
    if PROGRAM in ("docker", "podman"):
        engine(words)
    commands = {
        "version": version,
        "profile": profile,
        "status": status,
        "start": start,
        "stop": lambda rest: change(rest, STOPPED),
        "unpause": lambda rest: change(rest, RUNNING),
        "delete": delete,
        "image": image,
        "ip": ip,
        "node": node,
        "addons": addons,
    }
    if not words or words[0] not in commands:
        usage(f"unknown command {words}")
    commands[words[0]](words[1:])


if __name__ == "__main__":
    main()
