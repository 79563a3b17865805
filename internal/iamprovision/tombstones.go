package iamprovision

import (
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// remembered is longer than IAM shows what is no longer so.
const tombstoneTTL = 10 * time.Minute

// errDeleted is for a role that IAM still shows.
var errDeleted = &types.NoSuchEntityException{Message: new("the role was deleted a moment ago, and IAM still shows it")}

// deleted remembers the unique ids of roles that were deleted of late. A role
// that is made under the name of one of them is seen only after a while, and
// until then IAM may show the one before, tags and all.
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
