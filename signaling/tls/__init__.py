"""HTTPS on the local network: a local authority, certificates, the name mixminus.local."""
