package identity

import "time"

// Unserved is an identity that has no valid credentials, and why.
type Unserved struct {
	Key

	// SecretName is the Secret that pods wait for.
	SecretName string
	// Reason is the event's, Message a sentence for people.
	Reason, Message string
}

// Status is what became of an identity, as its object shows it.
type Status struct {
	// RoleARN is the role of the credentials in the Secret, "" if none.
	RoleARN string
	// Expiration is when they run out, the zero Time if there are none.
	Expiration time.Time
	// Generation is that of the object which the status speaks of.
	Generation int64
	// Ready says that the Secret holds credentials that have not run out.
	Ready bool
	// Reason is a CamelCase word, Message a sentence for people.
	Reason, Message string
}

// A Warning is something that the author of an object should know, whether or not
// it is served.
type Warning struct {
	// UID is the object's.
	UID string
	// Reason and Message are the event's, "" for nothing to say.
	Reason, Message string
	// Asks says that the object asks for an identity.
	Asks bool
}
