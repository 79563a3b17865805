// Package managedrole manages the life of the IAM roles that the controller makes:
// they are ensured, inspected for drift, deleted or retained, and swept where
// they were orphaned. How a role is made to match is for the package iamprovision.
package managedrole

import (
	"context"
	"sync"
	"time"

	"github.com/go-kit/log"

	"kube-aws-iam-controller/internal/identity"
)

// Config is what a Manager works with.
type Config struct {
	IAM        IAM
	Finalizers Finalizers
	Secrets    Secrets
	Events     Events
	Metrics    Metrics
	Logger     log.Logger
	// ReadBoundary lets hints take the permissions boundary into account, which takes
	// requests to IAM.
	ReadBoundary bool
	// OfferPolicy is called with each policy that was written, once for a change; nil for
	// nothing. It may not wait.
	OfferPolicy func(want identity.Desired)
	// ReadyTimeout is how long a new role may take until it can be assumed.
	ReadyTimeout time.Duration
	// DriftInterval is how often a role is inspected, 0 for never. It is longer where
	// that would take more than a quarter of IAMQPS.
	DriftInterval time.Duration
	// IAMQPS is how many requests to IAM are sent per second, InspectionRequests how many
	// an inspection takes, and Inspections how many inspections go on at the same time.
	IAMQPS                          float64
	InspectionRequests, Inspections int
	// SweepInterval is how often orphaned roles are looked for, 0 for never.
	SweepInterval time.Duration
	// Namespace is the only one that is served, "" for all.
	Namespace string
}

// A Manager manages roles. Methods for one identity are called by one goroutine at a
// time. Create it with New.
type Manager struct {
	Config

	mu      sync.Mutex
	records map[identity.Key]record
	// leadsSince is when this replica became the leader, and began to remember.
	leadsSince time.Time
	drift      *schedule
}

// New returns a Manager.
func New(config Config) *Manager {
	return &Manager{Config: config, records: map[identity.Key]record{}, drift: newSchedule(config)}
}

// Begin forgets everything: this replica leads from now on, and what the leader
// before it did a moment ago is not known here.
func (m *Manager) Begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records, m.leadsSince, m.drift = map[identity.Key]record{}, time.Now(), newSchedule(m.Config)
}

func (m *Manager) schedule() *schedule {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.drift
}

// Forget drops what is remembered of an identity that is gone with its role, but for
// what a sweep has found of it meanwhile.
func (m *Manager) Forget(key identity.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	orphanID := m.records[key].orphanID
	delete(m.records, key)
	if orphanID != "" {
		m.records[key] = record{orphanID: orphanID}
	}
}

// Disabled returns an error if no roles are made.
func (m *Manager) Disabled() error { return m.IAM.Disabled() }

// Reference returns the role of an identity, whether or not it is there. It asks AWS
// for the controller's own account at most.
func (m *Manager) Reference(ctx context.Context, key identity.Key) (identity.RoleReference, error) {
	return m.IAM.Reference(ctx, key)
}

// MayExist reports, without a call, whether a role may have been made for an
// identity: also where somebody removed the finalizer.
func (m *Manager) MayExist(key identity.Key) bool {
	if key.Source != identity.ServiceAccount {
		return false
	}
	_, present, _ := m.Finalizers.Finalizer(key)
	known := m.record(key)
	return present || known.ensured || known.orphanID != ""
}

// RemoveFinalizer lets the object of a role that is gone be deleted.
func (m *Manager) RemoveFinalizer(ctx context.Context, key identity.Key) error {
	return m.Finalizers.RemoveFinalizer(ctx, key)
}
