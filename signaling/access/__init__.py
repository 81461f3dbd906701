"""Who may do what: invitations, sessions of browsers, roles."""
