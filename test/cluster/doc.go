// Package cluster gives tests, the demo and benchmarks a real Kubernetes control plane: etcd, kube-apiserver and
// kube-controller-manager, built from Go modules and run on loopback without root, containers or a registry.
//
// A test package shares one among its tests, and gives each test a namespace of its own:
//
//	var shared cluster.Shared
//
//	func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }
//
//	func TestSomething(t *testing.T) {
//		control := shared.Get(t)
//		namespace := control.NewNamespace(t)
//		…
//	}
//
// There is no kubelet and no scheduler: pods can be created, and stay pending.
package cluster
