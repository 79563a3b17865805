package iamprovision

import (
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// tombstoneTTL exceeds the time for which IAM may show a deleted role.
const tombstoneTTL = 10 * time.Minute

// errDeleted is returned for a deleted role that IAM still shows.
var errDeleted = &types.NoSuchEntityException{Message: new("the role was deleted a moment ago, and IAM still shows it")}

// tombstones records the unique IDs of roles that were deleted recently. When a
// role is recreated under the same name, IAM may at first still show the deleted
// one, including its tags.
type tombstones struct {
	mu        sync.Mutex
	deletedAt map[string]time.Time
}

func (d *tombstones) add(id string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for other, at := range d.deletedAt {
		if now.Sub(at) > tombstoneTTL {
			delete(d.deletedAt, other)
		}
	}
	if d.deletedAt == nil {
		d.deletedAt = map[string]time.Time{}
	}
	d.deletedAt[id] = now
}

func (d *tombstones) has(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, has := d.deletedAt[id]
	return has
}
