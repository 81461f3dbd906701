"""``mixminus doctor``: what is wrong with this machine, the settings, the server, and its cure."""
