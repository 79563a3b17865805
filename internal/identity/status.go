package identity

import "time"

// Failed is an identity without valid credentials whose last attempt failed, and the
// reason.
type Failed struct {
	Key

	// SecretName is the name of the Secret for which pods are waiting.
	SecretName string
	// Reason and Message are those of the event on waiting pods.
	Reason, Message string
}

// Status is the state of an identity as reported on its object.
type Status struct {
	// RoleARN is the role of the credentials in the Secret, "" if there are none.
	RoleARN string
	// Expiration is when the credentials expire, the zero Time if there are none.
	Expiration time.Time
	// Generation is metadata.generation of the object that was served.
	Generation int64
	// Ready reports that the Secret holds credentials that have not expired.
	Ready bool
	// Reason is a CamelCase word, Message a sentence, as in a condition.
	Reason, Message string
}

// A Warning is a problem to report to the author of an object, whether or not the
// object is served.
type Warning struct {
	// UID is that of the object.
	UID string
	// Reason and Message are those of the event; Message is "" if there is nothing
	// to report.
	Reason, Message string
	// Asks reports whether the object requests an identity.
	Asks bool
}
