// Package managedrole manages the life cycle of the IAM roles that the controller
// creates: it ensures them, inspects them for drift, deletes or retains them, and
// sweeps orphans. How a role is made to match is the concern of the package
// iamprovision.
package managedrole

import (
	"context"
	"sync"
	"time"

	"github.com/go-kit/log"

	"kube-aws-iam-controller/internal/identity"
)

// Config holds the dependencies and settings of a Manager.
type Config struct {
	IAM        IAM
	Finalizers Finalizers
	Secrets    Secrets
	Events     Events
	Metrics    Metrics
	Logger     log.Logger
	// ReadBoundary lets hints consider the permissions boundary, which takes requests to
	// IAM.
	ReadBoundary bool
	// OfferPolicy is called once for each policy that was written, if it is not nil. It
	// must not block.
	OfferPolicy func(want identity.Desired)
	// ReadyTimeout is how long it may take until a new role can be assumed.
	ReadyTimeout time.Duration
	// DriftInterval is how often a role is inspected, 0 for never. The actual interval is
	// longer if inspections would take more than a quarter of IAMQPS.
	DriftInterval time.Duration
	// IAMQPS is the number of requests to IAM per second, InspectionRequests the number
	// that an inspection takes, and Inspections how many may run at the same time.
	IAMQPS                          float64
	InspectionRequests, Inspections int
	// SweepInterval is how often to look for orphaned roles, 0 for never.
	SweepInterval time.Duration
	// Namespace is the only one that is served, "" for all.
	Namespace string
}

// A Manager manages roles. Its methods are not called concurrently for one identity.
// Create it with New.
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

// Begin forgets everything, because this replica has become the leader and does not
// know what the previous one did a moment ago.
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

// Forget drops the memory of an identity that is gone with its role, except for what a
// sweep has found of it meanwhile.
func (m *Manager) Forget(key identity.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	orphanID := m.records[key].orphanID
	delete(m.records, key)
	if orphanID != "" {
		m.records[key] = record{orphanID: orphanID}
	}
}

// Disabled returns an error if no roles are created.
func (m *Manager) Disabled() error { return m.IAM.Disabled() }

// Reference returns the role of an identity, whether or not it exists. It calls AWS
// only to determine the controller's own account.
func (m *Manager) Reference(ctx context.Context, key identity.Key) (identity.RoleReference, error) {
	return m.IAM.Reference(ctx, key)
}

// MayExist reports, without a call, whether a role may have been created for an
// identity, even if somebody removed the finalizer.
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
