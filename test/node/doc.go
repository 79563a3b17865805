// Package node gives a control plane one real node: kubelet, containerd and kube-proxy, and a scheduler. It needs root on
// a Debian-like Linux, and nothing from a registry.
package node
