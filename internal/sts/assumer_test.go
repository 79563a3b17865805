package sts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

func TestAssume(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	arn := w.add(awssim.RoleSpec{Path: "/team/", Name: "app", Trust: trusting(w.controller, externalID)})
	a := w.assumer(w.asRole(), Options{})

	creds, err := a.Assume(t.Context(), wanting(t, "team/app"))
	require.NoError(t, err)
	assert.Equal(t, arn, creds.RoleARN)
	assert.Equal(t, time.UTC, creds.Issued.Location())
	assert.Equal(t, time.UTC, creds.Expiration.Location())
	assert.WithinDuration(t, time.Now(), creds.Issued, time.Minute)
	assert.WithinDuration(t, time.Now().Add(time.Hour), creds.Expiration, time.Minute)
	assert.Zero(t, creds.Expiration.Nanosecond())
	assert.Empty(t, creds.Notice)
	assert.Subset(t, w.IssuedSecrets(), []string{
		creds.AccessKeyID.Reveal(), creds.SecretAccessKey.Reveal(), creds.SessionToken.Reveal(),
	})
	for _, secret := range w.IssuedSecrets() {
		assert.NotContains(t, fmt.Sprintf("%+v", creds), secret)
	}
	assert.Equal(t, []map[string]string{{
		"RoleArn": arn, "RoleSessionName": "ns.app", "ExternalId": externalID, "DurationSeconds": "3600",
	}}, w.assumptions())
}

func TestExternalIDIsAlwaysSent(t *testing.T) {
	tests := map[string]struct {
		options Options
		change  func(want *identity.Desired)
	}{
		"for a ServiceAccount":      {Options{}, func(*identity.Desired) {}},
		"for an AWSIAMRole":         {Options{}, func(want *identity.Desired) { want.Source = identity.AWSIAMRole }},
		"for a long session":        {Options{}, func(want *identity.Desired) { want.SessionDuration = 2 * time.Hour }},
		"through another role":      {Options{AssumeRole: "through"}, func(*identity.Desired) {}},
		"from a namespace's own":    {Options{ControllerNamespace: "ns"}, func(*identity.Desired) {}},
		"for a role of any account": {Options{}, func(want *identity.Desired) { want.Role.Partition, want.Role.Account = "aws", other }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awssim.Options{})
			w.add(awssim.RoleSpec{Name: "through", Admin: true, Trust: trusting(home)})
			w.app("app")
			w.add(awssim.RoleSpec{Account: other, Name: "app", Trust: trusting(home, externalID)})
			want := wanting(t, "app")
			tc.change(&want)
			a := w.assumer(w.asRole(), tc.options)
			for range 2 {
				_, err := a.Assume(t.Context(), want)
				require.NoError(t, err)
			}
			for _, params := range w.assumptions() {
				if !strings.HasSuffix(params["RoleArn"], "/through") {
					assert.Equal(t, externalID, params["ExternalId"])
				}
			}

			want.ExternalID = "other/cluster"
			_, err := a.Assume(t.Context(), want)
			require.ErrorContains(t, err, "AccessDenied")
			w.requireHarmless(err)
		})
	}
}

func TestErrorsAreIdenticalForIdenticalCauses(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	a := w.assumer(w.asRole(), Options{})
	_, first := a.Assume(t.Context(), wanting(t, "no-such-role"))
	_, second := a.Assume(t.Context(), wanting(t, "no-such-role"))
	w.requireHarmless(first)
	require.EqualError(t, first, second.Error(), "one event with a count, not one for each request id")
}

func TestChainedSessionsLastAnHour(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	w.app("another")
	a := w.assumer(w.asRole(), Options{})
	want := wanting(t, "app")

	want.SessionDuration = 2 * time.Hour
	creds, err := a.Assume(t.Context(), want)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(time.Hour), creds.Expiration, time.Minute)
	const said = "A session of 2h0m0s was asked for, and one of 1h0m0s is used instead: " +
		"ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
	assert.Equal(t, said, creds.Notice)
	assert.Equal(t, 2, w.Counts()["AssumeRole"])

	creds, err = a.Assume(t.Context(), want)
	require.NoError(t, err)
	assert.Equal(t, said, creds.Notice, "the next one is told as well")
	assert.Equal(t, 3, w.Counts()["AssumeRole"], "but STS is not asked what it said before")

	want.Role.Name, want.SessionDuration = "another", 12*time.Hour
	creds, err = a.Assume(t.Context(), want)
	require.NoError(t, err)
	assert.Contains(t, creds.Notice, "A session of 12h0m0s was asked for")
	assert.Equal(t, 4, w.Counts()["AssumeRole"], "nor for another role")

	want.SessionDuration = 15 * time.Minute
	creds, err = a.Assume(t.Context(), want)
	require.NoError(t, err)
	assert.Empty(t, creds.Notice)
	assert.WithinDuration(t, time.Now().Add(15*time.Minute), creds.Expiration, time.Minute)
}

func TestChainingLimitExpires(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asUser(), Options{})
	want := wanting(t, "app")
	want.SessionDuration = 2 * time.Hour
	a.chained.Store(&chainingLimit{said: "role chaining", at: time.Now().Add(time.Minute - chainingTTL)})
	creds, err := a.Assume(t.Context(), want)
	require.NoError(t, err)
	assert.Equal(t, "A session of 2h0m0s was asked for, and one of 1h0m0s is used instead: role chaining", creds.Notice)
	assert.WithinDuration(t, time.Now().Add(time.Hour), creds.Expiration, time.Minute)

	a.chained.Store(&chainingLimit{said: "role chaining", at: time.Now().Add(-chainingTTL)})
	creds, err = a.Assume(t.Context(), want)
	require.NoError(t, err)
	assert.Empty(t, creds.Notice)
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), creds.Expiration, time.Minute)
}

func TestUsersHaveLongSessions(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	w.add(awssim.RoleSpec{Name: "short", Trust: trusting(home, externalID)})
	a := w.assumer(w.asUser(), Options{})
	want := wanting(t, "app")
	want.SessionDuration = 12 * time.Hour
	creds, err := a.Assume(t.Context(), want)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(12*time.Hour), creds.Expiration, time.Minute)
	assert.Empty(t, creds.Notice)

	want.Role.Name = "short"
	_, err = a.Assume(t.Context(), want)
	require.ErrorContains(t, err, "a session of 12h0m0s was asked for: ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role; raise",
		"that is for its author to mend, and no reason to be content with an hour")
	assert.Equal(t, 2, w.Counts()["AssumeRole"])
	assert.Nil(t, a.chained.Load())
}

func TestChainedSessionMayBeRefused(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{})
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{
		Action: "AssumeRole", Code: "ValidationError", Message: "limit for roles assumed by role chaining", Times: 2,
	}}})
	want := wanting(t, "app")
	want.SessionDuration = 2 * time.Hour
	_, err := a.Assume(t.Context(), want)
	require.ErrorContains(t, err, "role chaining")
	assert.Equal(t, 2, w.Counts()["AssumeRole"], "no third try")
}

func TestAssumeIsRateLimited(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asUser(), Options{QPS: 20})
	want := wanting(t, "app")
	begin := time.Now()
	for range 40 + 6 {
		_, err := a.Assume(t.Context(), want)
		require.NoError(t, err)
	}
	assert.GreaterOrEqual(t, time.Since(begin), 250*time.Millisecond, "forty at once, then one in 50 ms")
}

func TestRateLimitWaitStopsWithTheContext(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asUser(), Options{QPS: 0.001})
	_, err := a.Assume(t.Context(), wanting(t, "app"))
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = a.Assume(ctx, wanting(t, "app"))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "wait for a turn at STS")

	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	begin := time.Now()
	_, err = a.Assume(ctx, wanting(t, "app"))
	require.ErrorContains(t, err, "wait for a turn at STS")
	assert.Less(t, time.Since(begin), 10*time.Second, "it does not wait for what comes too late")
	assert.Equal(t, 1, w.Counts()["AssumeRole"])
}

func TestAssumeStopsWithTheContext(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asUser(), Options{})
	_, err := a.Assume(t.Context(), wanting(t, "app"))
	require.NoError(t, err)
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "AssumeRole", Hang: true}}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = a.Assume(ctx, wanting(t, "app"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	w.requireHarmless(err)
}

func TestSessionTags(t *testing.T) {
	namespace, cluster, account := "kubernetes-namespace=ns", "kubernetes-cluster=cluster", "kubernetes-service-account=app"
	tests := map[string]struct {
		options Options
		source  identity.Source
		own     *identity.ManagedRole
		want    []string
	}{
		"none unless asked for":     {Options{ClusterName: "cluster"}, identity.ServiceAccount, nil, nil},
		"of a ServiceAccount":       {Options{SessionTags: true, ClusterName: "cluster"}, identity.ServiceAccount, nil, []string{cluster, namespace, account}},
		"of an AWSIAMRole":          {Options{SessionTags: true, ClusterName: "cluster"}, identity.AWSIAMRole, nil, []string{cluster, namespace}},
		"of a cluster with no name": {Options{SessionTags: true}, identity.ServiceAccount, nil, []string{namespace, account}},
		"none for a managed role, which has them": {
			Options{SessionTags: true, ClusterName: "cluster"}, identity.ServiceAccount, &identity.ManagedRole{}, nil,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awssim.Options{})
			w.app("app")
			w.add(awssim.RoleSpec{Name: "tagged", Trust: `{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Principal":{"AWS":"` + w.user + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"` + externalID + `"}}},
				{"Effect":"Allow","Principal":{"AWS":"` + w.user + `"},"Action":"sts:TagSession"}]}`})
			a := w.assumer(w.asUser(), tc.options)
			want := wanting(t, "tagged")
			want.Source, want.Managed = tc.source, tc.own
			_, err := a.Assume(t.Context(), want)
			require.NoError(t, err)

			params := w.assumptions()[0]
			var tags []string
			for i := 1; params[fmt.Sprintf("Tags.member.%d.Key", i)] != ""; i++ {
				tags = append(tags, params[fmt.Sprintf("Tags.member.%d.Key", i)]+"="+params[fmt.Sprintf("Tags.member.%d.Value", i)])
			}
			assert.ElementsMatch(t, tc.want, tags)
			assert.Empty(t, slices.DeleteFunc(slices.Collect(maps.Keys(params)), func(key string) bool {
				return !strings.HasPrefix(key, "Transitive")
			}))
		})
	}
}

func TestDeniedSessionTagsNameTheRemedy(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.add(awssim.RoleSpec{Name: "untaggable", Trust: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + w.user + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"` + externalID + `"}}}]}`})
	_, err := w.assumer(w.asUser(), Options{SessionTags: true}).Assume(t.Context(), wanting(t, "untaggable"))
	require.ErrorContains(t, err, "sts:TagSession on resource")
	require.ErrorContains(t, err, "have the role's trust policy allow sts:TagSession")
	_, err = w.assumer(w.asUser(), Options{}).Assume(t.Context(), wanting(t, "untaggable"))
	require.NoError(t, err)
	w.app("another")
	other := wanting(t, "another")
	other.ExternalID = "wrong"
	_, err = w.assumer(w.asUser(), Options{SessionTags: true}).Assume(t.Context(), other)
	require.ErrorContains(t, err, "sts:AssumeRole on resource")
	assert.NotContains(t, err.Error(), "have the role's trust policy", "that is another matter")
}

func TestConcurrentAssume(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{})
	var wg sync.WaitGroup
	var errs [50]error
	for i := range errs {
		wg.Go(func() {
			want := wanting(t, "app")
			want.SessionDuration = time.Duration(1+i%3) * time.Hour
			var creds identity.Credentials
			creds, errs[i] = a.Assume(t.Context(), want)
			assert.Equal(t, want.SessionDuration > time.Hour, creds.Notice != "")
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs[:]...))
}

func TestCredentialsOfADeletedRoleAreRejected(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{})
	want := wanting(t, "app")
	want.RoleID = "AROAAAAAAAAAAAAAAAAAA"
	creds, err := a.Assume(t.Context(), want)
	require.ErrorIs(t, err, errOtherRole)
	assert.Zero(t, creds)
	issued, err := w.RoleCredentials(home, "app", "test", time.Hour)
	require.NoError(t, err)
	who, err := sts.NewFromConfig(configFor(w.URL(), issued)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	want.RoleID, _, _ = strings.Cut(*who.UserId, ":")
	_, err = a.Assume(t.Context(), want)
	require.NoError(t, err)
}
