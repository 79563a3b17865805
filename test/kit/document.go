package kit

import (
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// ReadBucket is a policy that ServiceAccounts may well ask for.
const ReadBucket = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`

// A Document is what the credentials.json of a Secret holds.
type Document struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey string    `json:"SecretAccessKey"`
	SessionToken    string    `json:"SessionToken"`
	Expiration      time.Time `json:"Expiration"`
}

// Read returns the credentials in a Secret.
func Read(secret *corev1.Secret) (d Document, err error) {
	if err = json.Unmarshal(secret.Data["credentials.json"], &d); err != nil {
		err = fmt.Errorf("credentials.json of the Secret %s: %w", secret.Name, err)
	}
	return d, err
}
