package awssim

// trusts evaluates a trust policy for a caller and an action. delegated reports whether the
// action is allowed only through the caller's account, so that identity policies decide.
func (d *document) trusts(caller *principal, action string, known facts) (answer verdict, delegated bool) {
	for i := range d.statements {
		st := &d.statements[i]
		named, byAccount := st.namesCaller(caller)
		if (!named && !byAccount) || !st.names(action) || !st.holds(known) {
			continue
		}
		if st.Effect == "Deny" {
			return explicitDeny, false
		}
		delegated = (answer != allowed || delegated) && !named
		answer = allowed
	}
	return answer, delegated
}

func (st *statement) namesCaller(caller *principal) (named, byAccount bool) {
	if st.NotPrincipal != nil {
		n, a := st.NotPrincipal.include(caller)
		return !n && !a, false
	}
	return st.Principal.include(caller)
}

func (p *principals) include(caller *principal) (named, byAccount bool) {
	for _, b := range p.bound {
		switch {
		case b.anyone:
			named = true
		case b.account != "":
			byAccount = byAccount || b.account == caller.account
		case b.session != "":
			named = named || (b.id == caller.id && b.session == caller.arn)
		default:
			named = named || b.id == caller.id
		}
	}
	return named, byAccount
}
