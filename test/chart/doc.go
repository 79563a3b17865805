// Package chart makes the parts of the Helm chart that are copies of manifests/, renders the chart as Helm does, and packs
// it. Its tests hold the chart against what kustomize builds, and install it with Helm on a real API server.
package chart
