package telemetry

import "github.com/prometheus/client_golang/prometheus"

func newBesideEKS() prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "beside_eks_webhook",
		Help: "1 while --irsa-annotations is on and the leader sees the webhook of EKS in the cluster, 0 otherwise.",
	})
}

// SetBesideEKS records whether annotations of IRSA are read here and by the webhook of EKS.
func (m *Metrics) SetBesideEKS(beside bool) { setBool(m.besideEKS, beside) }
