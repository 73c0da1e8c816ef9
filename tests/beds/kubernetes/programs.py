# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines and settings of the node's programs."""

from __future__ import annotations

import sys

from tests.beds.kubernetes.settings import (
    API_PORT,
    CGROUP,
    DOMAIN,
    NODE,
    NODE_ADDRESS,
    PAUSE_IMAGE,
    POD_NETWORK,
    SERVICE_NETWORK,
    SOCKET,
    Bed,
)

CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Where root may not lower the score, containers would not start.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{settings}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def containerd_settings(bed: Bed) -> str:
    return CONTAINERD.format(folder=bed.folder, settings=bed.settings, socket=SOCKET, pause=PAUSE_IMAGE)


def network_settings() -> dict:
    """Each pod has a wire of its own to the node: pods on a bridge would go around the rules of kube-proxy."""
    addresses = {"type": "host-local", "subnet": POD_NETWORK, "routes": [{"dst": "0.0.0.0/0"}]}
    return {
        "cniVersion": "0.4.0",
        "name": "bed",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet_settings(bed: Bed) -> dict:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(bed.keys / "authority.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(bed.keys / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(bed.keys / "kubelet-server.key"),
        "address": NODE_ADDRESS,
        "readOnlyPort": 0,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": DOMAIN,
        "resolvConf": str(bed.settings / "resolv.conf"),
        "failSwapOn": False,
        # Ready as soon as it is, and not ten seconds later.
        "nodeStatusUpdateFrequency": "1s",
        "nodeStatusReportFrequency": "5m",
        # This version sees only then that a startup probe has succeeded, where there is no readiness probe.
        "syncFrequency": "2s",
        "enforceNodeAllocatable": ["pods"],
        # The node shares its disk and memory with the machine, whose state is no reason to end pods.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "volumePluginDir": "/var/lib/kubelet-plugins",
        "rotateCertificates": False,
    }


def proxy_settings(bed: Bed) -> dict:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": POD_NETWORK,
        "hostnameOverride": NODE,
        "clientConnection": {"kubeconfig": str(bed.kubeconfig("kube-proxy"))},
        # These belong to the whole machine.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def etcd(bed: Bed) -> list[str]:
    # Nothing in a bed outlives it, so nothing has to wait for the disk.
    return ["/usr/bin/etcd", f"--data-dir={bed.folder}/etcd", "--unsafe-no-fsync", "--logger=zap"]


def containerd(bed: Bed) -> list[str]:
    return ["/usr/bin/containerd", f"--config={bed.settings}/containerd.toml"]


def name_server(bed: Bed) -> list[str]:
    return [
        "/usr/sbin/dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--user=root",
        "--pid-file=",
        f"--listen-address={NODE_ADDRESS}",
        "--bind-interfaces",
        "--no-resolv",
        "--no-hosts",
        f"--addn-hosts={bed.hosts}",
        # A name that is not there is not there: without it, clients would be told to ask again later.
        "--local=/#/",
        "--log-facility=-",
    ]


def names(bed: Bed, server: int) -> list[str]:
    """Keeps the file of the name server, given by its process number, up to date."""
    module = [sys.executable, "-m", "tests.beds.kubernetes.names"]
    return [*module, str(bed.kubeconfig("names")), str(bed.hosts), str(server)]


def apiserver(bed: Bed) -> list[str]:
    keys = bed.keys
    return [
        str(bed.programs / "kube-apiserver"),
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        "--etcd-servers=http://127.0.0.1:2379",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--client-ca-file={keys}/authority.crt",
        f"--tls-cert-file={keys}/apiserver.crt",
        f"--tls-private-key-file={keys}/apiserver.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={keys}/authority.crt",
        f"--kubelet-client-certificate={keys}/kubelet-client.crt",
        f"--kubelet-client-key={keys}/kubelet-client.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        f"--service-account-key-file={keys}/tokens.key",
        f"--service-account-signing-key-file={keys}/tokens.key",
    ]


def controller_manager(bed: Bed) -> list[str]:
    keys = bed.keys
    return [
        str(bed.programs / "kube-controller-manager"),
        f"--kubeconfig={bed.kubeconfig('kube-controller-manager')}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={keys}/tokens.key",
        f"--root-ca-file={keys}/authority.crt",
        f"--cluster-signing-cert-file={keys}/authority.crt",
        f"--cluster-signing-key-file={keys}/authority.key",
        "--enable-hostpath-provisioner",
    ]


def scheduler(bed: Bed) -> list[str]:
    return [
        str(bed.programs / "kube-scheduler"),
        f"--kubeconfig={bed.kubeconfig('kube-scheduler')}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    ]


def kubelet(bed: Bed) -> list[str]:
    return [
        str(bed.programs / "kubelet"),
        f"--config={bed.settings}/kubelet.yaml",
        f"--kubeconfig={bed.kubeconfig('kubelet')}",
        f"--root-dir={bed.folder}/kubelet",
        f"--cert-dir={bed.keys}",
        f"--node-ip={NODE_ADDRESS}",
        f"--hostname-override={NODE}",
        "--container-runtime=remote",
        f"--container-runtime-endpoint=unix://{SOCKET}",
    ]


def proxy(bed: Bed) -> list[str]:
    return [str(bed.programs / "kube-proxy"), f"--config={bed.settings}/kube-proxy.yaml"]
