package node

import (
	"fmt"
	"os"
	"path/filepath"
)

// PauseImage holds a pod's network.
const PauseImage = "localhost/pause:test"

// files are what the programs of a node are configured by, below its directory.
func (n *Node) files() map[string]string {
	return map[string]string{
		"containerd.toml": fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = %q
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = %q
  conf_dir = %q
`, n.path("root"), n.path("state"), n.socket(), PauseImage, n.snapshotter, plugins, n.path("cni")),

		"cni/10-bridge.conflist": fmt.Sprintf(`{"cniVersion":"1.0.0","name":"pods","plugins":[
{"type":"bridge","bridge":%q,"isGateway":true,"hairpinMode":true,
 "ipam":{"type":"host-local","dataDir":%q,"ranges":[[{"subnet":%q}]],"routes":[{"dst":"0.0.0.0/0"}]}},
{"type":"portmap","capabilities":{"portMappings":true}}]}
`, bridge, n.path("ipam"), subnet),

		// The API server asks for logs without a certificate. Nothing but this machine and its pods reaches the bridge.
		"kubelet.yaml": fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupsPerQOS: false
containerRuntimeEndpoint: unix://%s
enforceNodeAllocatable: []
evictionHard: {}
failCgroupV1: false
failSwapOn: false
healthzPort: 0
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
podLogsDir: %s
readOnlyPort: 0
resolvConf: ""
# Mounted Secrets are renewed about as often.
syncFrequency: 3s
`, Address, n.socket(), n.path("pod-logs")),
	}
}

func (n *Node) writeFiles() error {
	for name, text := range n.files() {
		if err := os.MkdirAll(filepath.Dir(n.path(name)), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(n.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return os.MkdirAll(n.path("pod-logs"), 0o750)
}

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *Node) socket() string { return n.path("containerd.sock") }
