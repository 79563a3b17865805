// Package exec is the command that runs a program on the machine of its user with the
// credentials of a ServiceAccount or AWSIAMRole, for debugging.
//
// The program asks for them: the plugin serves them on a loopback address to the container
// credentials provider of the AWS SDKs for as long as the program runs, and reads the Secret
// again for each request. So they are in no file, on no command line and in no environment,
// where other processes of the user could read them and where children would inherit them,
// and a program that outlives a session gets the next one. What is in the environment is a
// token that is worth nothing once the program has ended. See docs/adr/0022.
package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"

	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/identity"
)

const long = `Run a program on your machine with the AWS credentials of a ServiceAccount or AWSIAMRole, to
see what its pods may do. You need the right to get its Secret, with which you could read the
credentials anyway.

Everything after -- is the program and its arguments. Standard input, output and error, signals
and the exit code are those of the program, and so is your environment, but for what would give
it other credentials: AWS_PROFILE, access keys, web identity, bearer tokens, your AWS
configuration files. The Region is the one that pods get, otherwise yours.

The program gets the credentials from an endpoint on 127.0.0.1, as the AWS CLI and all AWS SDKs
do in a container. It ends with the program. They are renewed while the program runs, and are
written nowhere.

Ctrl-C is the program's, to which the terminal sends it. So is SIGINT that is sent to this
command alone, except in the foreground of a terminal, where the two cannot be told apart:
there it has no effect. Send SIGTERM, or send it to the program.

Exit codes: that of the program; 128 and its number if a signal ended it; 125 an error of this
command, 126 the program cannot be run, 127 there is no such program.`

const examples = `  # Who are the pods of this ServiceAccount in AWS?
  kubectl aws-iam exec serviceaccount/app --namespace demo -- aws sts get-caller-identity

  # May they read this bucket?
  kubectl aws-iam exec sa/app --namespace demo -- aws s3 ls s3://example-bucket

  # A shell, and in it any number of commands
  kubectl aws-iam exec sa/app --namespace demo -- bash

  # The same of an AWSIAMRole
  kubectl aws-iam exec awsiamrole/app --namespace demo -- aws s3 ls`

// Exit codes of the command itself, which programs that run others share: env, timeout, docker.
const (
	exitFailed    = 125
	exitCannotRun = 126
	exitNoProgram = 127
)

// options are the command line.
type options struct {
	env *command.Environment
	key identity.Key
	// program is the program and its arguments.
	program []string
}

// New returns the command.
func New(env *command.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "exec serviceaccount/NAME | awsiamrole/NAME -- PROGRAM [ARGUMENT...]",
		Short:   "Run a program on your machine with the credentials of a ServiceAccount",
		Long:    long,
		Example: examples,
		// The program's own flags are none of ours, and its name is no subcommand.
		Args:                  cobra.ArbitraryArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o := &options{env: env}
			if err := o.parse(args, cmd.ArgsLenAtDash()); err != nil {
				return failed(err)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return failed(err) })
	return cmd
}

// failed gives an error that is not the program's the exit code for that.
func failed(err error) error { return &command.Error{Code: exitFailed, Err: err} }

// parse reads the arguments, of which those before -- name the object.
func (o *options) parse(args []string, dash int) (err error) {
	if dash < 0 || dash == len(args) {
		return errors.New("give the program after --, as in kubectl aws-iam exec serviceaccount/NAME -- aws sts get-caller-identity")
	}
	if dash == 0 || dash > 2 {
		return errors.New("give one ServiceAccount or AWSIAMRole before --: serviceaccount/NAME or awsiamrole/NAME")
	}
	o.program = args[dash:]
	o.key, err = command.ParseObject(strings.Join(args[:dash], "/"))
	return err
}

// run runs the program. The error of a program that ran has its exit code alone.
func (o *options) run(ctx context.Context) (err error) {
	program, err := lookUp(o.program[0])
	if err != nil {
		return err
	}
	if o.key.Namespace, err = o.env.Namespace(); err != nil {
		return failed(err)
	}
	clients, err := o.env.Clients()
	if err != nil {
		return failed(err)
	}
	secret := newIssued(clients.Core.CoreV1().Secrets(o.key.Namespace), o.key)
	if _, err = secret.get(ctx); err != nil {
		return failed(err)
	}
	region := o.podRegion(ctx, clients)
	served, err := serve(ctx, secret.forSDK)
	if err != nil {
		return failed(err)
	}
	defer served.close()
	child := &osexec.Cmd{
		Path: program, Args: o.program, Env: environment(os.Environ(), served, region, configuredRegion(ctx)),
		Stdin: o.env.In, Stdout: o.env.Out, Stderr: o.env.ErrOut,
	}
	code, err := runChild(ctx, child)
	switch {
	case errors.Is(err, context.Canceled):
		return failed(err)
	case err != nil:
		return &command.Error{Code: exitCannotRun, Err: err}
	case code != command.ExitOK:
		return &command.Error{Code: code}
	default:
		return nil
	}
}

// podRegion returns the Region that pods of the object are given, "" for none, as far as
// the user may see it. Pods that use an AWSIAMRole are given none.
func (o *options) podRegion(ctx context.Context, clients *command.Clients) string {
	if o.key.Source != identity.ServiceAccount {
		return ""
	}
	if region := annotatedRegion(ctx, clients.Metadata, o.key); region != "" {
		return region
	}
	return installation.NewFinder(clients.Core, o.env.Version, o.env.ErrOut).DefaultRegion(ctx, o.key.Namespace)
}

// lookUp finds a program as a shell does.
func lookUp(name string) (string, error) {
	path, err := osexec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, osexec.ErrNotFound) || errors.Is(err, os.ErrNotExist):
		return "", &command.Error{Code: exitNoProgram, Err: fmt.Errorf("%s: there is no such program", identity.Quote(name))}
	default:
		return "", &command.Error{Code: exitCannotRun, Err: err}
	}
}
