"""The ``mixminus`` command and everything that installs and supervises the gateway."""
