package app

import (
	"context"
	"fmt"
	"io"
	"time"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/sts"
)

// bootstrap writes the first credentials of a controller that renews its own, into the
// Secret of an object in its namespace that requests its role. From then on the
// controller renews them as any others. AWS is asked with the credentials of whoever runs
// the command, and the API server by their kubeconfig.
func bootstrap(ctx context.Context, version string, cfg config.Config, stdout, stderr io.Writer) error {
	s, err := newSeeder(version, cfg, stderr)
	if err != nil {
		return err
	}
	want, have, err := s.look(ctx)
	if err != nil {
		return err
	}
	if err = s.useAWS(ctx); err != nil {
		return err
	}
	role, err := s.assumer.Resolve(ctx, want)
	if err != nil {
		return awserr.ForCommand(err)
	}
	announce(stdout, cfg, want, have, role)
	if cfg.DryRun {
		return nil
	}
	creds, err := s.assume(ctx, want)
	if err != nil {
		return err
	}
	if creds.Notice != "" {
		fmt.Fprintf(stderr, "warning: %s\n", creds.Notice)
	}
	if err = s.write(ctx, want, have, creds); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Written. The session lasts until %s; a controller that runs before then renews it from now on\n",
		creds.Expiration.Format(time.RFC3339))
	return nil
}

// announce prints what is done, or would be.
func announce(stdout io.Writer, cfg config.Config, want identity.Desired, have secrets.Standing, role identity.RoleReference) {
	begin, end := "Getting a session", ""
	if cfg.DryRun {
		begin, end = "Would get a session", "Nothing was changed: this was a dry run\n"
	}
	fmt.Fprintf(stdout, "%s of %s under the external ID %s and the session name %s, for the Secret %s/%s, which %s\n%s",
		begin, role, want.ExternalID, sts.SessionName(want, role), want.Namespace, want.SecretName, standing(have), end)
}

func standing(have secrets.Standing) string {
	switch {
	case have.Seed != nil:
		return "exists as the seed of the predecessor and is replaced"
	case have.Exists:
		return "exists and is renewed"
	default:
		return "is created"
	}
}

// useAWS makes what assumes roles with the credentials of whoever runs the command.
func (s *seeder) useAWS(ctx context.Context) (err error) {
	if s.aws, err = sts.LoadConfig(ctx, sts.ConfigOptions{CredentialsFile: s.config.CredentialsFile}); err != nil {
		return err
	}
	s.assumer, err = sts.New(s.aws, sessionOptions(s.config, s.key.Namespace))
	return err
}

// assume returns credentials for the controller. They are of a session that the role
// gave itself, as each later one will be: a role that refuses itself would leave the
// controller without credentials within the hour, when nobody looks.
func (s *seeder) assume(ctx context.Context, want identity.Desired) (identity.Credentials, error) {
	first, err := s.assumer.Assume(ctx, want)
	if err != nil {
		return first, fmt.Errorf("assume the controller's role: %w", awserr.ForCommand(err))
	}
	options := sessionOptions(s.config, s.key.Namespace)
	options.ControllerRoleARN = first.RoleARN
	itself, err := sts.New(sts.As(s.aws, first), options)
	if err != nil {
		return first, err
	}
	creds, err := itself.Assume(ctx, want)
	if err != nil {
		return creds, fmt.Errorf("assume the controller's role with its own session, as the controller will; nothing was written: %w. "+
			"The trust policy of the role has to allow the role itself", awserr.WithoutRetry(err))
	}
	return creds, nil
}

// write stores the credentials as the controller does.
func (s *seeder) write(ctx context.Context, want identity.Desired, have secrets.Standing, creds identity.Credentials) error {
	if have.Seed != nil {
		if err := secrets.RemoveSeed(ctx, s.admin.Core.CoreV1(), want, have.Seed); err != nil {
			return err
		}
	}
	_, _, err := s.store().Apply(ctx, want, creds)
	return err
}
