package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"kube-aws-iam-controller/internal/identity"
)

func checkNamespace(value string) error {
	if len(validation.IsDNS1123Label(value)) > 0 {
		return fmt.Errorf("%s is not a namespace: expected 1 to 63 lower-case letters, digits and -, the first and last not -", identity.Quote(value))
	}
	return nil
}

func checkAccount(value string) error {
	if len(validation.IsDNS1123Subdomain(value)) > 0 {
		return fmt.Errorf("%s is not the name of a ServiceAccount or AWSIAMRole: expected 1 to 253 lower-case letters, digits, - and ., the first and last a letter or digit", identity.Quote(value))
	}
	return nil
}

func checkLease(value string) error {
	if len(validation.IsDNS1123Subdomain(value)) > 0 {
		return fmt.Errorf("%s is not the name of a Lease: expected 1 to 253 lower-case letters, digits, - and ., the first and last a letter or digit", identity.Quote(value))
	}
	return nil
}

func checkURL(value string) error {
	if value == "" {
		return nil
	}
	if strings.Contains(value, "@") { // the value is not repeated: it may contain a password
		return errors.New("the URL has an @ in it: expected http://host:port or https://host:port, without user and password")
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%s is not a URL: expected http://host:port or https://host:port", identity.Quote(value))
	}
	return nil
}

func checkRegion(value string) error {
	region, err := identity.ParseRegion(value)
	if err == nil && region != value {
		return fmt.Errorf("%s must not have white space around it", identity.Quote(value))
	}
	return err
}

func checkAddress(value string) error {
	// Without a port the kernel would choose one, which is unknown to probes.
	if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
		return fmt.Errorf("%s is not an address: expected host:port or :port", identity.Quote(value))
	}
	return nil
}

func checkRate(value float64) error {
	if value > 0 && value <= maxQPS { // false for NaN, too
		return nil
	}
	return fmt.Errorf("%v is out of bounds: expected more than 0 and at most %d", value, maxQPS)
}

func between[T int | time.Duration](value, low, high T) error {
	if value < low || value > high {
		return fmt.Errorf("%v is out of bounds: expected %v to %v", value, low, high)
	}
	return nil
}
