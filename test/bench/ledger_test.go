package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestALedgerKnowsWhoseCredentialsExpired(t *testing.T) {
	l := &ledger{holdings: map[string]holding{}}
	enter := func(name string, left time.Duration) {
		l.enter(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Annotations: map[string]string{
			"iam.amazonaws.com/role-arn": "arn", "iam.amazonaws.com/expiration": time.Now().Add(left).UTC().Format(time.RFC3339),
		}}})
	}
	enter("fresh", time.Hour)
	enter("renewed in time", time.Minute)
	enter("renewed in time", time.Hour)
	assert.Zero(t, l.expired())
	enter("renewed too late", -time.Minute)
	enter("expired", -time.Minute)
	assert.Equal(t, 2, l.expired())
	enter("renewed too late", time.Hour)
	assert.Equal(t, 2, l.expired(), "it had none for a while")
	assert.Equal(t, 4, l.count(func(h holding) bool { return h.role == "arn" }))
	assert.Equal(t, 1, l.count(func(h holding) bool { return h.expires.Before(time.Now()) }))
	assert.Negative(t, l.shortest(time.Now()))
	l.enter("no Secret")
	l.enter(&metav1.PartialObjectMetadata{})
	assert.Equal(t, 4, l.count(func(holding) bool { return true }))
}

func TestALedgerSeesAnotherRoleInTheSameSecond(t *testing.T) {
	l := &ledger{holdings: map[string]holding{}}
	for _, role := range []string{"before", "after"} {
		l.enter(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "app", Annotations: map[string]string{
			"iam.amazonaws.com/role-arn": role, "iam.amazonaws.com/expiration": "2030-01-02T03:04:05Z",
		}}})
	}
	assert.Equal(t, 1, l.count(func(h holding) bool { return h.role == "after" }))
}
