package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
)

// EventSink writes the Events that a recorder makes.
func (c *Clients) EventSink() record.EventSink { return eventSink{c} }

type eventSink struct{ clients *Clients }

// Create implements record.EventSink.
func (s eventSink) Create(event *corev1.Event) (*corev1.Event, error) {
	return s.clients.Events(event.Namespace).Create(context.Background(), event, metav1.CreateOptions{})
}

// Update implements record.EventSink.
func (s eventSink) Update(event *corev1.Event) (*corev1.Event, error) {
	return s.clients.Events(event.Namespace).Update(context.Background(), event, metav1.UpdateOptions{})
}

// Patch implements record.EventSink. The patch is of what has changed since event.
func (s eventSink) Patch(event *corev1.Event, patch []byte) (*corev1.Event, error) {
	return s.clients.Events(event.Namespace).Patch(context.Background(), event.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
}
