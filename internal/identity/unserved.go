package identity

// Unserved is an identity that has no valid credentials, and why.
type Unserved struct {
	Key

	// SecretName is the Secret that pods wait for.
	SecretName string
	// Reason is the event's, Message a sentence for people.
	Reason, Message string
}
