"""Cryptography by audited libraries: identities, ratchets, sealed envelopes, keys at rest. Pure: no I/O, no clock."""
