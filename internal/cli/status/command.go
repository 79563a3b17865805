// Package status shows the identities of a cluster and what state they are in.
package status

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/printers"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/installation"
)

const help = `Show the AWS identities that ServiceAccounts and AWSIAMRoles request, those that need
attention first.

States:
  expired   the credentials are no longer valid, and were not renewed
  conflict  the Secret of this name is not the controller's
  refused   the annotations, the namespace or the controller's settings have to change
  waiting   no credentials were issued yet
  edited    somebody changed the Secret, and the controller has not restored it yet
  stale     the credentials are valid, but for an earlier request
  expiring  the credentials are due for renewal
  unknown   you may not list Secrets
  ready     the credentials are valid and not due yet
  removed   with --watch: the object is gone or requests nothing any more

Only the metadata of Secrets is read. A time left of less than the controller's
--refresh-limit, and an error, are worth a look at: kubectl aws-iam explain.

Exit codes: 0 shown, 1 an error, 2 shown, except for what you may not list.`

const examples = `  # In the current namespace
  kubectl aws-iam status

  # In all namespaces, and whatever changes from then on
  kubectl aws-iam status --all-namespaces --watch

  # Full ARNs, Secrets and messages of what is labelled
  kubectl aws-iam status --selector team=payments --output wide

  # Only what is not ready, for a script
  kubectl aws-iam status --all-namespaces --no-headers | grep -v ' ready '`

// options are the flags.
type options struct {
	env           *command.Environment
	allNamespaces bool
	selector      string
	watch         bool
	noHeaders     bool
	output        string
}

// New returns the command.
func New(env *command.Environment) *cobra.Command {
	o := &options{env: env}
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show who has which role, until when, and what went wrong",
		Long:    help,
		Example: examples,
		Args:    command.NoArguments("select by labels with --selector, or explain one: kubectl aws-iam explain serviceaccount/NAME"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "Show the identities of all namespaces.")
	flags.StringVarP(&o.selector, "selector", "l", "", "Label selector of the ServiceAccounts and AWSIAMRoles to show.")
	flags.BoolVarP(&o.watch, "watch", "w", false, "After that, print what changes.")
	flags.StringVarP(&o.output, "output", "o", "", "Output format: wide, name, json or yaml.")
	flags.BoolVar(&o.noHeaders, "no-headers", false, "Print the table without its header.")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	s, out, err := o.prepare()
	if err != nil {
		return err
	}
	clients, err := o.env.Clients()
	if err != nil {
		return err
	}
	installed, err := installation.NewFinder(clients.Core, o.env.Version, o.env.ErrOut).Anywhere(ctx, s.namespace)
	if err != nil {
		return err
	}
	set, err := newSettings(installed.Controllers)
	if err != nil {
		return err
	}
	all := kinds(clients, s)
	found, hidden, err := load(ctx, all)
	if err != nil {
		return err
	}
	now := time.Now()
	identities := derive(found, hidden, set, now)
	if err = out.show(identities, now); err != nil {
		return err
	}
	o.note(seedNotes(installed.Controllers, identities, now)...)
	o.note(unseenNotes(hidden, s.namespace)...)
	if len(identities) == 0 {
		o.note(emptyNote(s, installed, o.isMissing(ctx, clients, s.namespace)))
	}
	if o.watch {
		return newWatcher(ctx, all, found).follow(ctx, identities, func(found objects, now time.Time) []Identity {
			return derive(found, hidden, set, now)
		}, out.change)
	}
	if len(hidden) > 0 {
		return &command.Error{Code: command.ExitUnknown}
	}
	return nil
}

// prepare checks the flags, and makes no request.
func (o *options) prepare() (s scope, out *output, err error) {
	printer, err := command.StructuredPrinter(o.output, "wide", nameFormat)
	if err != nil {
		return s, nil, err
	}
	if !o.allNamespaces {
		if s.namespace, err = o.env.Namespace(); err != nil {
			return s, nil, err
		}
	}
	s.selector = o.selector
	out = &output{to: o.env.Out, structured: printer, names: o.output == nameFormat, table: newTable(o.env.Out, o.allNamespaces, o.output == "wide")}
	out.table.begun = o.noHeaders
	return s, out, nil
}

// isMissing reports whether a namespace is known not to exist: the API server lists it as
// an empty one.
func (o *options) isMissing(ctx context.Context, clients *command.Clients, namespace string) bool {
	if namespace == "" {
		return false
	}
	_, err := clients.Metadata.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Get(ctx, namespace, metav1.GetOptions{})
	return apierrors.IsNotFound(err)
}

func (o *options) note(notes ...string) {
	for _, note := range notes {
		fmt.Fprintln(o.env.ErrOut, "note:", printers.EscapeTerminal(note))
	}
}
