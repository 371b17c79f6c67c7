"""Proof of unlearning: what a training was given is committed to, and anybody can execute the training again.

A finished model does not show whether a record was learnt: the same weights can be reached with and without it. What
can be checked is a computation. Here the training data are committed to before training, the seed follows from that
commitment, the weights after each epoch are chained in a signed log, and whoever has the data computes them again, to
the same bits (Thudi et al., On the necessity of auditable algorithmic definitions for machine unlearning, USENIX
Security 2022; Baluta et al., Unforgeability in stochastic gradient descent, CCS 2023).

What may come in: commitments, signatures, statements, logs, and the execution of a training for them. Commands and
deletion requests stand above; the measures of evaluation beside; the training itself is the toolbox's.

Decisions:

- Trees are those of RFC 9162, envelopes DSSE with Ed25519, statements in-toto's, so that tools of others read them.
- JSON is written in one way only (RFC 8785, without numbers that are not whole): what is read and written again has to
  be the same bytes, so that a changed byte is always found, even where it changes no meaning.
- `cryptography` is the extra `[proof]`, imported where something is signed or a signature checked (`signatures`).
- Leaves are sorted, so that two neighbours show that a third is not there.
- Each record has a salt of its own. Without it nobody can tell which record a leaf was made of: once it is erased, the
  log has forgotten too.
"""
