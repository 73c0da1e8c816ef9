// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026, the mlops.mlflow contributors

// The provisioner of minikube's StorageClass for the test bed: minikube's own does not run when it is built with today's client of Kubernetes.
// Every volume is a folder of the node that this program runs on, and pods that use it are bound to that node.
package main

import (
	"context"
	"os"
	"path/filepath"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// The same name and folder as in minikube, whose node keeps this folder over a stop.
const (
	name = "k8s.io/minikube-hostpath"
	root = "/tmp/hostpath-provisioner"
)

type folders struct{ node string }

func (f folders) Provision(_ context.Context, options controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	path := filepath.Join(root, claim.Namespace, claim.Name)
	// Users of any number may write to it; the mode is set again because of the umask.
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	here := core.NodeSelectorRequirement{Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{f.node}}
	volume := &core.PersistentVolume{ObjectMeta: v1.ObjectMeta{Name: options.PVName}}
	volume.Spec = core.PersistentVolumeSpec{
		AccessModes:                   claim.Spec.AccessModes,
		Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
		PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
		PersistentVolumeSource:        core.PersistentVolumeSource{HostPath: &core.HostPathVolumeSource{Path: path}},
		NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{
			NodeSelectorTerms: []core.NodeSelectorTerm{{MatchExpressions: []core.NodeSelectorRequirement{here}}},
		}},
	}
	return volume, controller.ProvisioningFinished, nil
}

func (f folders) Delete(_ context.Context, volume *core.PersistentVolume) error {
	return os.RemoveAll(volume.Spec.HostPath.Path)
}

func main() {
	// The pod is in the network of its node, whose name it has.
	node, err := os.Hostname()
	if err != nil {
		klog.Fatal(err)
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		klog.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	ctx := context.Background()
	controller.NewProvisionController(ctx, client, name, folders{node}, controller.LeaderElection(false)).Run(ctx)
}
