"""Who is it, and may they: init data, access tokens, rates."""
