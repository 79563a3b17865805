package awssim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (w *world) whoAmI(client *sts.Client) error {
	_, err := client.GetCallerIdentity(w.t.Context(), &sts.GetCallerIdentityInput{})
	return err
}

func TestFaultsAreInjected(t *testing.T) {
	w := newWorld(t, Options{})
	w.Set(Settings{Faults: &[]Fault{{Action: "GetCallerIdentity", Code: "Throttling", Times: 2}}})
	for range 2 {
		refused(t, w.whoAmI(w.sts), "Throttling", "Rate exceeded")
	}
	require.NoError(t, w.whoAmI(w.sts))

	w.Set(Settings{Faults: &[]Fault{{Code: "ServiceUnavailable", Message: "away"}}})
	refused(t, w.whoAmI(w.sts), "ServiceUnavailable", "away")
	_, err := w.create("app")
	refused(t, err, "ServiceUnavailable", "away")
	w.Set(Settings{Faults: &[]Fault{}})
	require.NoError(t, w.whoAmI(w.sts))

	w.Set(Settings{Faults: &[]Fault{{Code: "Throttling", Probability: 0.5}}})
	failed := 0
	for range 200 {
		if w.whoAmI(w.sts) != nil {
			failed++
		}
	}
	assert.InDelta(t, 100, failed, 50)
}

func TestSDKRetriesThrottling(t *testing.T) {
	w := newWorld(t, Options{})
	creds := w.user("admin")
	client := sts.New(sts.Options{Region: "eu-central-1", BaseEndpoint: new(w.URL()), Credentials: provide(creds)})
	w.Set(Settings{Faults: &[]Fault{{Code: "Throttling", Times: 2}}})
	require.NoError(t, w.whoAmI(client))
	assert.Equal(t, 3, w.Counts()["GetCallerIdentity"])
}

func TestARequestThatTakesLongSeesWhatCameBeforeIt(t *testing.T) {
	w := newWorld(t, Options{})
	w.add(RoleSpec{Name: "app"})
	w.Set(Settings{Latency: new(Duration(time.Second))})
	slow := make(chan error, 1)
	go func() {
		_, err := w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
		slow <- err
	}()
	time.Sleep(200 * time.Millisecond) // until it is under way
	w.Set(Settings{Latency: new(Duration(0))})
	_, err := w.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: new("app"), PolicyDocument: new(serviceTrust)})
	require.NoError(t, err)
	assert.NoError(t, <-slow)
}

func TestDroppedRequestTakesEffect(t *testing.T) {
	w := newWorld(t, Options{})
	w.Set(Settings{Faults: &[]Fault{{Action: "CreateRole", Drop: true, Times: 1}}})
	_, err := w.create("app")
	require.Error(t, err)
	_, err = w.create("app")
	refused(t, err, "EntityAlreadyExists", "app")
}

func TestHangingRequestHasNoEffect(t *testing.T) {
	w := newWorld(t, Options{})
	w.Set(Settings{Faults: &[]Fault{{Action: "CreateRole", Hang: true}}})
	client := iam.New(iam.Options{
		Region: "us-east-1", BaseEndpoint: new(w.URL()), Credentials: provide(w.user("admin")), RetryMaxAttempts: 1,
		HTTPClient: &http.Client{Timeout: 50 * time.Millisecond},
	})
	_, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: new("app"), AssumeRolePolicyDocument: new(serviceTrust)})
	require.Error(t, err)
	_, err = w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
	refused(t, err, "NoSuchEntity", "app")
}

func TestLatencyDelaysResponses(t *testing.T) {
	w := newWorld(t, Options{})
	w.Set(Settings{Latency: new(Duration(40 * time.Millisecond))})
	begin := time.Now()
	require.NoError(t, w.whoAmI(w.sts))
	assert.GreaterOrEqual(t, time.Since(begin), 40*time.Millisecond)
}

func TestChangesPropagateWithDelay(t *testing.T) {
	w := newWorld(t, Options{})
	w.Set(Settings{Propagation: new(Duration(8 * time.Second))})
	created, err := w.create("app", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = new(trust(`{"AWS":"` + home + `"}`)) })
	require.NoError(t, err)
	arn, creds := *created.Role.Arn, w.user("admin")
	_, err = w.create("app")
	refused(t, err, "EntityAlreadyExists", "app")
	_, err = w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
	refused(t, err, "NoSuchEntity", "app")
	assert.False(t, w.trusted(creds, arn), "not propagated yet")
	_, err = w.create("trusting", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = new(trust(`{"AWS":"` + arn + `"}`)) })
	refused(t, err, "MalformedPolicyDocument", "Invalid principal in policy")
	w.pass(9 * time.Second)
	_, err = w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
	require.NoError(t, err)
	assert.True(t, w.trusted(creds, arn))

	_, err = w.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: new("app"), PolicyDocument: new(serviceTrust)})
	require.NoError(t, err)
	assert.True(t, w.trusted(creds, arn), "the previous trust policy is in effect")
	w.pass(9 * time.Second)
	assert.False(t, w.trusted(creds, arn))

	_, err = w.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: new("app")})
	require.NoError(t, err)
	_, err = w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
	require.NoError(t, err, "the deletion has not propagated")
	again, err := w.create("app")
	require.NoError(t, err, "the name is available again")
	assert.NotEqual(t, *created.Role.RoleId, *again.Role.RoleId)
}

func TestInvalidSignaturesAreRefused(t *testing.T) {
	w := newWorld(t, Options{})
	good := w.user("admin")
	w.add(RoleSpec{Name: "role"})
	session := w.session("role")
	for name, test := range map[string]struct {
		creds aws.Credentials
		code  string
	}{
		"unknown key":   {aws.Credentials{AccessKeyID: "AKIAUNKNOWN", SecretAccessKey: "x"}, "InvalidClientTokenId"},
		"wrong secret":  {aws.Credentials{AccessKeyID: good.AccessKeyID, SecretAccessKey: "x"}, "SignatureDoesNotMatch"},
		"no token":      {aws.Credentials{AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey}, "InvalidClientTokenId"},
		"foreign token": {aws.Credentials{AccessKeyID: good.AccessKeyID, SecretAccessKey: good.SecretAccessKey, SessionToken: session.SessionToken}, "InvalidClientTokenId"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, w.whoAmI(w.stsAs(test.creds)), test.code, "")
		})
	}
	w.pass(20 * time.Minute) // the client's clock does not advance
	refused(t, w.whoAmI(w.stsAs(good)), "SignatureDoesNotMatch", "Signature expired")
}

func (w *world) post(body string, header ...string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.URL(), strings.NewReader(body))
	require.NoError(w.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(answer)
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	w := newWorld(t, Options{})
	for body, code := range map[string]string{
		"":                                     "InvalidAction",
		"Action=Nonsense&Version=2011-06-15":   "InvalidAction",
		"Action=CreateRole&Version=2011-06-15": "InvalidAction",
		"Action=GetCallerIdentity&Version=2011-06-15": "MissingAuthenticationToken",
		"%zz": "InvalidAction",
	} {
		status, answer := w.post(body)
		assert.GreaterOrEqual(t, status, 400)
		assert.Contains(t, answer, code, body)
	}
	status, answer := w.post("Action=GetCallerIdentity&Version=2011-06-15", "Authorization", "Basic eDp5")
	assert.Equal(t, 400, status)
	assert.Contains(t, answer, "IncompleteSignature")
	status, _ = w.post(strings.Repeat("x", maxBody+1))
	assert.Equal(t, http.StatusRequestEntityTooLarge, status)
}

func TestAdminAPI(t *testing.T) {
	w := newWorld(t, Options{})
	send := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, w.URL()+path, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(bytes.TrimSpace(answer))
	}
	spec, err := json.Marshal(RoleSpec{Account: home, Name: "app", Trust: serviceTrust})
	require.NoError(t, err)
	status, answer := send(http.MethodPost, "/_sim/roles", string(spec))
	assert.Equal(t, 200, status)
	assert.Equal(t, `"arn:aws:iam::`+home+`:role/app"`, answer)
	status, _ = send(http.MethodPost, "/_sim/settings", `{"latency":"1ms","faults":[{"action":"GetCallerIdentity","code":"Throttling"}]}`)
	assert.Equal(t, 200, status)
	refused(t, w.whoAmI(w.sts), "Throttling", "")
	_, answer = send(http.MethodGet, "/_sim/counts", "")
	assert.Equal(t, `{"GetCallerIdentity":1}`, answer)
	_, answer = send(http.MethodGet, "/_sim/calls", "")
	assert.Contains(t, answer, `"code":"Throttling"`)
	for _, bad := range [][3]string{{http.MethodPost, "/_sim/settings", "{"}, {http.MethodPost, "/_sim/roles", "{}"}, {http.MethodGet, "/_sim/none", ""}} {
		status, _ = send(bad[0], bad[1], bad[2])
		assert.Equal(t, 400, status, bad[1])
	}
}

func TestCallsHaveNoSecrets(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`"*"`)})
	_, err := w.assume(w.user("admin"), arn)
	require.NoError(t, err)
	calls := w.Calls()
	require.Len(t, calls, 1)
	assert.Equal(t, "sts", calls[0].Service)
	assert.Equal(t, "arn:aws:iam::"+home+":user/admin", calls[0].Caller)
	assert.Equal(t, map[string]string{"RoleArn": arn, "RoleSessionName": "session"}, calls[0].Params)
	text, err := json.Marshal(calls)
	require.NoError(t, err)
	for _, secret := range w.IssuedSecrets() {
		assert.NotContains(t, string(text), secret)
	}
}
