package awssim

// updateRole resets MaxSessionDuration to the default if the request omits it, as
// documented.
func updateRole(q *request) (any, *apiError) {
	description, err1 := q.form.optional("Description", "", descriptionRule)
	session, err2 := q.form.number("MaxSessionDuration", defaultSession, defaultSession, maxSession)
	if failure := first(err1, err2); failure != nil {
		return nil, failure
	}
	r, failure := q.target(true, nil)
	if failure != nil {
		return nil, failure
	}
	q.change(r, func(r *role) {
		r.maxSession = session
		if q.form.Has("Description") {
			r.description = description
		}
	})
	return struct{}{}, nil
}

func updateTrust(q *request) (any, *apiError) {
	text, failure := q.form.required("PolicyDocument", documentRule)
	if failure != nil {
		return nil, failure
	}
	r, failure := q.target(true, nil)
	if failure != nil {
		return nil, failure
	}
	trust, failure := q.parseTrust(text)
	if failure != nil {
		return nil, failure
	}
	q.change(r, func(r *role) { r.trust = trust })
	return nil, nil
}

// deleteRole fails with DeleteConflict while the role has policies or instance profiles,
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html.
func deleteRole(q *request) (any, *apiError) {
	r, failure := q.target(true, nil)
	switch {
	case failure != nil:
		return nil, failure
	case len(r.attached) > 0:
		return nil, deleteConflict("must detach all policies first.")
	case len(r.inline) > 0:
		return nil, deleteConflict("must delete policies first.")
	case len(q.profilesOf(r)) > 0:
		return nil, deleteConflict("must remove roles from instance profile first.")
	}
	q.put(r.name, nil)
	return nil, nil
}
